"""What a page is asked to show. It lives in the URL, so that a link shows the same again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from askfirst.questions.calendar import FIRST, LAST

# days -> what the range is called
RANGES = {28: "4 weeks", 91: "3 months", 182: "6 months", 400: "13 months"}
DEFAULT_RANGE = 182
NEWEST, ALL = "newest", "all"  # versions: the newest few, or every one


class WrongSelectionError(ValueError):
    """A page cannot be shown so; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A tool, the last day that counts, how many days up to it are shown, and which versions.

    `default_day` is the last whole day: what `as_of` is unless somebody chooses.
    """

    tool: str
    as_of: date
    default_day: date
    days: int = DEFAULT_RANGE
    version: str = NEWEST

    @classmethod
    def read(cls, query: QueryParams, tools: Sequence[str], default_day: date) -> Selection:
        """Read a query string. Raises WrongSelectionError."""
        tool = query.get("tool") or (tools[0] if tools else "")
        if tools and tool not in tools:
            raise WrongSelectionError(f"There is no such tool. There is {', '.join(tools)}.")
        return cls(
            tool=tool,
            as_of=_day(query.get("as_of"), default_day),
            default_day=default_day,
            days=_range(query.get("range")),
            version=query.get("version") or NEWEST,
        )

    @property
    def first(self) -> date:
        """The first day shown."""
        return self.as_of - timedelta(days=self.days - 1)

    @property
    def today(self) -> date:
        """The day that is not over."""
        return self.default_day + timedelta(days=1)

    @property
    def query(self) -> str:
        """The query string of this selection, with its `?`, without what is the default."""
        return self._query(named=False)

    def _query(self, *, named: bool) -> str:
        chosen = {"tool": self.tool}
        if named or self.as_of != self.default_day:
            chosen["as_of"] = self.as_of.isoformat()
        if self.days != DEFAULT_RANGE:
            chosen["range"] = str(self.days)
        if self.version != NEWEST:
            chosen["version"] = self.version
        return f"?{urlencode(chosen)}"

    @property
    def link(self) -> str:
        """The query string that shows the same for good: it names the day, also the default one."""
        return self._query(named=True)

    def on(self, day: date) -> Selection:
        """Return the same, as of another day."""
        return replace(self, as_of=day)


def _day(text: str | None, default: date) -> date:
    if not text:
        return default
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise WrongSelectionError("A day is written as 2026-11-23.") from None
    if not FIRST <= day <= LAST:
        raise WrongSelectionError("Choose a day between 2000 and 2200.")
    return day


def _range(text: str | None) -> int:
    if not text:
        return DEFAULT_RANGE
    if not text.isascii() or not text.isdigit() or int(text[:9]) not in RANGES:
        raise WrongSelectionError(f"A range is one of {', '.join(map(str, RANGES))} days.")
    return int(text)
