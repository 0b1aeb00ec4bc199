"""How far the other answers can be trusted."""

from __future__ import annotations

from typing import Any

from askfirst.questions.calendar import day_text
from askfirst.stores.base import DUPLICATE, LATE, SKEWED, STORED, Store

PLAIN = {STORED: "stored", DUPLICATE: "duplicate", LATE: "late", SKEWED: "clock_skewed"}
GROUPS = ("dropped", "removed")  # kinds like "dropped:too-old" and "removed:runtime"


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with `stored`, `duplicate`, `dropped` by reason, `removed` by field, `late` (over 7
    days old on arrival), `clock_skewed`, and `days`: the same for each day of arrival.

    Counts events by the day on which they arrived, so those of `as_of` may have happened earlier.
    `removed` counts fields that an older contract allowed and the one in force does not.
    """
    total = _empty()
    days: dict[int, dict[str, Any]] = {}
    for day, kind, n in store.query("quality", {"tool": tool, "as_of": as_of}):
        number, many = int(day), int(n)  # type: ignore[call-overload]
        row = days.setdefault(number, {"day": day_text(number), **_empty()})
        _add(row, str(kind), many)
        _add(total, str(kind), many)
    return {**total, "days": [row for _, row in sorted(days.items())]}


def _empty() -> dict[str, Any]:
    return {
        "stored": 0,
        "duplicate": 0,
        "dropped": {},
        "removed": {},
        "late": 0,
        "clock_skewed": 0,
    }


def _add(row: dict[str, Any], kind: str, n: int) -> None:
    group, _, detail = kind.partition(":")
    if group in GROUPS:
        row[group][detail] = row[group].get(detail, 0) + n
    else:
        row[PLAIN[kind]] += n
