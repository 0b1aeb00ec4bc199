"""Finds a question by its name, and puts the headline figures together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

from askfirst.questions import (
    active,
    applications,
    commands,
    environments,
    quality,
    retention,
    sampling,
    updates,
)
from askfirst.questions.calendar import day_number
from askfirst.stores.base import Store

QUESTIONS: dict[str, Callable[[Store, str, int], dict[str, Any]]] = {
    "active": active.ask,
    "updates": updates.ask,
    "applications": applications.ask,
    "environments": environments.ask,
    "commands": commands.ask,
    "retention": retention.ask,
    "quality": quality.ask,
}
NAMES = tuple(QUESTIONS)


class UnknownQuestionError(ValueError):
    """No question has that name."""


def default_day() -> date:
    """Return the last whole day, UTC."""
    return datetime.now(timezone.utc).date() - timedelta(days=1)


def ask(
    store: Store, name: str, tool: str, as_of: date | None = None, *, correct: bool = True
) -> dict[str, Any]:
    """Answer one of NAMES, or `overview`, about a tool; the answer is ready for JSON.

    The file of the question describes its keys.

    Where the contract in force asks a sample of the installations, counts are estimates for all
    who said Yes, and an `estimate` beside them says how sure they are; see `sampling`. With
    `correct` false they are what was seen.

    A tool that the store does not know gets the answers of one without events. Raises
    UnknownQuestionError for any other name, StoreError if the store cannot answer.
    """
    if name == "overview":
        return overview(store, tool, as_of)
    if name not in QUESTIONS:
        raise UnknownQuestionError(f"no question is called {name!r}; there are {', '.join(NAMES)}")
    answer = QUESTIONS[name](store, tool, day_number(as_of or default_day()))
    return sampling.corrected(name, answer, sampling.rate(store, tool)) if correct else answer


def headline(store: Store, tool: str, as_of: date) -> dict[str, Any]:
    """Answer `active` without its series."""
    answer = {**active.headline(store, tool, day_number(as_of))}
    return sampling.corrected("active", answer, sampling.rate(store, tool))


def overview(store: Store, tool: str, as_of: date | None = None) -> dict[str, Any]:
    """Give the headline figures of the makers' four questions: `as_of`, `active`, `updates`,
    `applications`, `environments`.

    `active` comes without its series. `updates` is the newest version that half of the
    installations at risk have updated to, else the newest that any were at risk for, else null;
    without its curve.
    """
    day = as_of or default_day()
    newest = updates.headline(store, tool, day_number(day))
    return {
        "as_of": day.isoformat(),
        "active": headline(store, tool, day),
        "updates": newest and sampling.update(newest, sampling.rate(store, tool)),
        "applications": ask(store, "applications", tool, day),
        "environments": ask(store, "environments", tool, day),
    }
