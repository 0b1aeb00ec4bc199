"""What a store has forgotten, and which figures would need it.

Events older than the contract's `retention_days` are deleted. A figure whose days reach further
back would count what is left as if it were all: somebody who comes back would be new, an old
version would have been released on the day from which on events are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from askfirst.questions.calendar import LAST, day_number, day_text
from askfirst.questions.contracts import contract_of
from askfirst.stores.base import STORED, Store

Answer = dict[str, Any]

WINDOW = 28  # trailing days of most figures
LOOK_BACK = 28  # days before: who or what was not seen in them is called new
NEEDED_DAYS = WINDOW + LOOK_BACK + 1  # and today: `retention_days` from which on nothing is missing
SLACK = 2  # days: events are forgotten once a day, and not at midnight
NAMED = 6  # of what is left out, in a sentence


def kept_from(store: Store, tool: str, today: int) -> int | None:
    """Return the number of the first day of which every event is kept; None if none was forgotten.

    That is decided by today's number, or in a store that nobody has served since, by the day on
    which its last event arrived: as long as there are older events, nothing was forgotten by then.
    """
    contract, arrived = contract_of(store, tool), arrivals(store, tool)
    if contract is None or not arrived:
        return None
    for clock in (today, arrived[-1]):
        first = clock - contract.retention_days + 1
        if not store.query("versions", {"tool": tool, "as_of": first - SLACK - 1}):
            return first
    return None


def arrivals(store: Store, tool: str) -> list[int]:
    """Return the numbers of the days on which events arrived, by the collector's clock."""
    rows = store.query("quality", {"tool": tool, "as_of": day_number(LAST)})
    return sorted(int(day) for day, kind, _ in rows if kind == STORED)  # type: ignore[call-overload]


def limited(store: Store, name: str, tool: str, answer: Answer, as_of: int, today: int) -> Answer:
    """Return an answer without what would need forgotten events, and a `history` beside the rest.

    `history` has `kept_from`, the first day of which every event is kept; `left_out`, the figures,
    versions or weeks that are null or not there for it; `short`, whether the 28 days reach back
    before it, so that they count too few. It is there only if one of the two is to be said.

    `new`, `returning` and `lost` need the 28 days before the 28, a version and a cohort 28 days
    before them, a row of the series its 28 days.
    """
    contract = contract_of(store, tool)
    if contract is None or name not in _LIMITS:
        return answer
    limit = _LIMITS[name]
    if limit(answer, as_of, today - contract.retention_days + 1) is answer:
        return answer  # the usual case, without a look at the store
    first = kept_from(store, tool, today)
    return answer if first is None else limit(answer, as_of, first)


def said(answer: Answer) -> str:
    """Say of an answer what is left out of it, and what counts too few; "" if nothing."""
    history = answer.get("history")
    if history is None:
        return ""
    left_out: list[str] = history["left_out"]
    texts = [f"Events before {history['kept_from']} are deleted, as the contract says."]
    if left_out:
        more = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
        texts.append(f"Left out, for want of them: {', '.join(left_out[:NAMED])}{more}.")
    if history["short"]:
        texts.append("The 28 days begin before: of them only what is left is counted.")
    return " ".join(texts)


def _with(answer: Answer, first: int, left_out: list[str], *, short: bool = False) -> Answer:
    if not left_out and not short:
        return answer
    history = {"kept_from": day_text(first), "left_out": left_out, "short": short}
    return {**answer, "history": history}


def _window(answer: Answer, as_of: int, first: int) -> Answer:
    return _with(answer, first, [], short=as_of - WINDOW + 1 < first)


def _active(answer: Answer, as_of: int, first: int) -> Answer:
    found = answer
    whole = day_text(first + WINDOW - 1)
    if answer.get("series") and answer["series"][0]["day"] < whole:
        found = {**found, "series": [row for row in answer["series"] if row["day"] >= whole]}
    if as_of - WINDOW - LOOK_BACK + 1 >= first:
        return found
    keys = ["new", "returning", "lost"]
    found = {**found, **dict.fromkeys(keys)}
    if "estimate" in found:
        ends = {
            end: {key: n for key, n in found["estimate"][end].items() if key not in keys}
            for end in ("low", "high")
        }
        found["estimate"] = {**found["estimate"], **ends}
    return _with(found, first, keys, short=as_of - WINDOW + 1 < first)


def _updates(answer: Answer, _as_of: int, first: int) -> Answer:
    whole = day_text(first + LOOK_BACK)
    rows = [row for row in answer["versions"] if row["released"] >= whole]  # a day, or an instant
    left_out = [row["version"] for row in answer["versions"] if row["released"] < whole]
    return _with({**answer, "versions": rows}, first, left_out) if left_out else answer


def _retention(answer: Answer, _as_of: int, first: int) -> Answer:
    whole = first + LOOK_BACK
    rows = [row for row in answer["cohorts"] if _monday(row["week"]) >= whole]
    left_out = [row["week"] for row in answer["cohorts"] if _monday(row["week"]) < whole]
    return _with({**answer, "cohorts": rows}, first, left_out) if left_out else answer


def _monday(week: str) -> int:
    year, number = week.split("-W")
    return day_number(date.fromisocalendar(int(year), int(number), 1))


_LIMITS: dict[str, Callable[[Answer, int, int], Answer]] = {
    "active": _active,
    "updates": _updates,
    "applications": _window,
    "environments": _window,
    "commands": _window,
    "retention": _retention,
}
