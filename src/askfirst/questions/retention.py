"""Of those who came, who stayed."""

from __future__ import annotations

from typing import Any

from askfirst.questions.calendar import week_number, week_text
from askfirst.questions.sampling import observed
from askfirst.stores.base import Store


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with `cohorts`: `week`, `size` and `active`.

    A cohort is the installations first seen in one ISO week; a week in which nobody was has none.
    `active[k]` is how many of them were active in the k-th week after it, up to the week of
    `as_of`, which may not be over; `active[0]` equals `size`.
    """
    last = week_number(as_of)
    cohorts: dict[int, list[int]] = {}
    for first, after, n in store.query("retention", {"tool": tool, "as_of": as_of}):
        week, weeks_after, active = int(first), int(after), int(n)  # type: ignore[call-overload]
        cohorts.setdefault(week, [0] * (last - week + 1))[weeks_after] = active
    return {
        "cohorts": [
            {"week": week_text(week), "size": active[0], "active": active}
            for week, active in sorted(cohorts.items())
        ]
    }


def pooled(cohorts: list[dict[str, Any]], sample: float = 1.0) -> list[tuple[int, int]]:
    """Return for each number of weeks after the first (active, seen so long), over all cohorts.

    With a sample these are what was seen, not estimates: many roundings would add up.

    The last week of each cohort is left out: it may not be over. So a cohort of this week counts
    nowhere, and one of last week for its first week alone.
    """
    longest = max((len(cohort["active"]) for cohort in cohorts), default=1) - 1
    rows = []
    for after in range(longest):
        old = [cohort for cohort in cohorts if len(cohort["active"]) - 1 > after]
        rows.append(
            (
                sum(observed(cohort["active"][after], sample) for cohort in old),
                sum(observed(cohort["size"], sample) for cohort in old),
            )
        )
    return rows
