"""The questions the makers asked: one file each.

Every day is a UTC day. `as_of` defaults to the last whole day, and an answer uses only events whose
day is not after it. The trailing 28 days are `as_of` and the 27 before it.
"""

from askfirst.questions.asking import (
    NAMES,
    UnknownQuestionError,
    ask,
    default_day,
    headline,
    overview,
)

__all__ = ["NAMES", "UnknownQuestionError", "ask", "default_day", "headline", "overview"]
