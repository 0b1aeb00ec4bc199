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
    history,
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
    store: Store,
    name: str,
    tool: str,
    as_of: date | None = None,
    *,
    correct: bool = True,
    today: date | None = None,
) -> dict[str, Any]:
    """Answer one of NAMES, or `overview`, about a tool; the answer is ready for JSON.

    The file of the question describes its keys.

    Where the contract in force asks a sample of the installations, counts are estimates for all
    who said Yes, and an `estimate` beside them says how sure they are; see `sampling`. With
    `correct` false they are what was seen.

    What would need events that are past their retention is not answered, and a `history` says so;
    see `history`. `today` is the UTC day from which the retention counts, else that of the clock.

    A tool that the store does not know gets the answers of one without events. Raises
    UnknownQuestionError for any other name, StoreError if the store cannot answer.
    """
    if name == "overview":
        return overview(store, tool, as_of, today=today)
    if name not in QUESTIONS:
        raise UnknownQuestionError(f"no question is called {name!r}; there are {', '.join(NAMES)}")
    day = day_number(as_of or default_day())
    return _finished(store, name, tool, QUESTIONS[name](store, tool, day), day, today, correct)


def headline(store: Store, tool: str, as_of: date, *, today: date | None = None) -> dict[str, Any]:
    """Answer `active` without its series."""
    day = day_number(as_of)
    return _finished(store, "active", tool, {**active.headline(store, tool, day)}, day, today)


def _finished(
    store: Store,
    name: str,
    tool: str,
    answer: dict[str, Any],
    as_of: int,
    today: date | None,
    correct: bool = True,
) -> dict[str, Any]:
    """Scale what comes from a sample, and leave out what would need forgotten events."""
    if correct:
        answer = sampling.corrected(name, answer, sampling.rate(store, tool))
    now = day_number(today or default_day() + timedelta(days=1))
    return history.limited(store, name, tool, answer, as_of, now)


def overview(
    store: Store, tool: str, as_of: date | None = None, *, today: date | None = None
) -> dict[str, Any]:
    """Give the headline figures of the makers' four questions: `as_of`, `active`, `updates`,
    `applications`, `environments`.

    `active` comes without its series. `updates` is the newest version that half of the
    installations at risk have updated to, else the newest that any were at risk for, else null;
    without its curve.
    """
    day = as_of or default_day()
    return {
        "as_of": day.isoformat(),
        "active": headline(store, tool, day, today=today),
        "updates": updates.headline(ask(store, "updates", tool, day, today=today)["versions"]),
        "applications": ask(store, "applications", tool, day, today=today),
        "environments": ask(store, "environments", tool, day, today=today),
    }
