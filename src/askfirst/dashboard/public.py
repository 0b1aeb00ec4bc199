"""Aggregates for anybody, in which no small group can be seen, and none by subtraction.

Four rules, each against one way of subtracting:

- Fixed periods: four whole ISO weeks that never overlap, and no filter. There is no second view
  that differs from the first by one day or one version.
- Frozen: a period is computed once, a week after its end, and kept. A late event, an erasure or a
  newcomer changes nothing that was shown, so yesterday's page minus today's is nothing.
- Thresholds on both sides: a group of fewer than `threshold` installations is withheld or merged
  into its neighbour, and so is one that leaves fewer than `threshold` of all outside.
- Rounding: each count is a multiple of the threshold, up or down at a point that a secret decides.
  What is exactly at an edge does not show.

Where the contract asks a sample, all of this is done to the installations that were seen, and what
comes out is scaled: no group is shown of which fewer than `threshold` were seen.

A distribution is merged, never blanked: a blank in a column with a total would be the difference.
Where its rows begin is decided by large groups alone: a row that ended with the one it needed to be
large enough would show that one.
A release stands in one period alone, so its counts cannot be followed.
"""

from __future__ import annotations

import hmac
import json
import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from askfirst import questions
from askfirst.questions import active, history, sampling
from askfirst.questions.calendar import day_number, day_of, week_number, week_text
from askfirst.stores.base import Store, StoreError

WEEKS = 4  # of a period: what the questions call the trailing 28 days
PERIODS = 13  # shown at the most
SETTLED_DAYS = 7  # after its end; what is later counts as late everywhere here
BINS = (0, 1, 2, 3, 4, 5, 10, 20, 50, 100)  # where a row of a distribution may begin

Snapshot = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rounding:
    """Publishes counts of one period. `secret` decides where each is cut.

    `sample` is the share of installations that was seen; what is published is scaled by it.
    """

    threshold: int
    secret: bytes
    sample: float = 1.0

    def count(self, cell: str, n: int) -> int | None:
        """Return a count as a multiple of the threshold; None for fewer than the threshold."""
        if n < self.threshold:
            return None
        digest = hmac.digest(self.secret, cell.encode(), "sha256")
        offset = int.from_bytes(digest[:8], "big") % self.threshold
        rounded = (n + offset) // self.threshold * self.threshold
        return sampling.total(rounded, self.sample)

    def part(self, cell: str, n: int, whole: int, whole_cell: str) -> int | None:
        """Return the count of some among `whole`; that of all if too few would be outside."""
        if whole - n < self.threshold:
            return self.count(whole_cell, whole)
        return self.count(cell, n)

    def partition(self, cell: str, counts: dict[int, int]) -> list[dict[str, Any]]:
        """Return a distribution whose rows each have at least the threshold, if all have together.

        A row begins where one of BINS does that has enough by itself, the first one at 0, and goes
        up to the next. So no label tells whether anybody is in a bin that has fewer.
        """
        bins: Counter[int] = Counter()
        for number, many in counts.items():
            bins[BINS[bisect_right(BINS, number) - 1]] += many
        starts = [start for start in BINS if bins[start] >= self.threshold]
        starts[:1] = [0]
        rows = dict.fromkeys(starts, 0)
        for start, many in bins.items():
            rows[starts[bisect_right(starts, start) - 1]] += many
        return [
            {"from": start, "count": self.count(f"{cell} {start}", many)}
            for start, many in rows.items()
        ]


class PublicFigures:
    """Computes what anybody may see, once for each period, and keeps it in a file.

    `write` puts text into a file so that it survives a power cut; `today` returns the number of the
    UTC day; `secret` decides the rounding. Safe to use from any thread.
    """

    def __init__(
        self,
        store: Store,
        file: Path,
        write: Callable[[Path, str], None],
        *,
        threshold: int,
        secret: bytes,
        today: Callable[[], int],
    ) -> None:
        self.threshold = threshold
        self._store = store
        self._file = file
        self._write = write
        self._secret = secret
        self._today = today
        self._lock = threading.Lock()
        self._kept: dict[str, dict[str, Snapshot]] | None = None

    def read(self) -> dict[str, list[Snapshot]]:
        """Return the snapshots of each tool, the oldest first. Raises StoreError, OSError.

        A period has none that reaches past the retention, so that too little of it is left, or in
        which and in the week after which nothing arrived.
        """
        with self._lock:
            if self._kept is None:
                self._kept = _read(self._file)
            last = last_period(self._today())
            periods = range(last - PERIODS + 1, last + 1)
            changed = False
            found: dict[str, list[Snapshot]] = {}
            for tool in self._store.tools():
                known = self._kept.setdefault(tool, {})
                missing = [period for period in periods if str(period) not in known]
                for period in self._whole(tool, missing):
                    known[str(period)] = self._snapshot(tool, period)
                    changed = True
                found[tool] = [known[str(period)] for period in periods if str(period) in known]
            if changed:
                self._write(self._file, json.dumps(self._kept))
            return found

    def _whole(self, tool: str, periods: list[int]) -> list[int]:
        """Return the periods that came to their end, and of which every event is kept.

        Something arrived on the last day or in the week after: a clock that is ahead for a while
        would freeze what is not over.
        """
        if not periods:
            return []
        first = history.kept_from(self._store, tool, self._today())
        arrived = set(history.arrivals(self._store, tool))
        return [
            one
            for one in periods
            if first is None or last_day(one - 1) + 1 >= first
            if arrived.intersection(range(last_day(one), last_day(one) + SETTLED_DAYS + 1))
        ]

    def _snapshot(self, tool: str, period: int) -> Snapshot:
        end = last_day(period)
        as_of = day_of(end)
        sample = sampling.rate(self._store, tool)
        secret = hmac.digest(self._secret, f"{tool} {period}".encode(), "sha256")
        rounding = Rounding(self.threshold, secret, sample)
        headline = active.headline(self._store, tool, end)
        total = headline["monthly"]
        snapshot: Snapshot = {
            "from": week_text(week_number(end) - WEEKS + 1),
            "until": week_text(week_number(end)),
            "threshold": sampling.total(self.threshold, sample),
            "installations": rounding.count("all", total),
        }
        if sample < 1:
            snapshot["sample"] = sample
        if snapshot["installations"] is None:
            return snapshot
        rows = self._seen("commands", tool, as_of)["commands"]
        named = self._seen("applications", tool, as_of)
        used = self._seen("environments", tool, as_of)["per_installation"]
        return {
            **snapshot,
            "regular": rounding.part("regular", headline["regular"], total, "all"),
            "commands": [
                {
                    "command": row["command"],
                    "installations": rounding.part(
                        f"command {row['command']}", row["installations"], total, "all"
                    ),
                }
                for row in sorted(rows, key=lambda row: str(row["command"]))
            ],
            "applications": _spread(rounding, "applications", named["distribution"], total),
            "environments": _spread(rounding, "environments", used["distribution"], total),
            "updates": self._updates(tool, period, rounding),
        }

    def _seen(self, name: str, tool: str, as_of: date) -> dict[str, Any]:
        """Answer with what was seen: nothing else can be held against the threshold."""
        today = day_of(self._today())
        return questions.ask(self._store, name, tool, as_of, correct=False, today=today)

    def _updates(self, tool: str, period: int, rounding: Rounding) -> list[dict[str, Any]]:
        """Return the releases of the period before, which everybody has had four weeks to get."""
        end = last_day(period)
        begin, until = last_day(period - 2), last_day(period - 1)
        assert self._kept is not None
        # a day that the contract gives a release later moves it to another period
        told = {
            row["version"]
            for snapshot in self._kept[tool].values()
            for row in snapshot.get("updates", ())
        }
        rows = []
        for row in self._seen("updates", tool, day_of(end))["versions"]:
            if row["version"] in told:
                continue
            day = day_number(date.fromisoformat(row["released"][:10]))
            waiting = row["at_risk"] - row["updated"]
            enough = min(row["updated"], waiting or rounding.threshold) >= rounding.threshold
            if begin < day <= until and enough:
                median = row["median_days"]
                rows.append(
                    {
                        "version": row["version"],
                        "installations": rounding.count(f"risk {row['version']}", row["at_risk"]),
                        # whole days: more would be the moment of one installation's update
                        "median_days": None if median is None else max(1, round(median)),
                    }
                )
        return rows


def _spread(
    rounding: Rounding, cell: str, distribution: dict[str, int], total: int
) -> list[dict[str, Any]]:
    """Return a distribution over `total` installations; those that named nothing have 0."""
    counts = {int(number): many for number, many in distribution.items()}
    counts[0] = total - sum(counts.values())
    return rounding.partition(cell, {number: many for number, many in counts.items() if many})


def last_period(today: int) -> int:
    """Return the number of the last period that is settled on a day (days since 1970-01-01)."""
    return (week_number(today - SETTLED_DAYS)) // WEEKS - 1


def last_day(period: int) -> int:
    """Return the number of a period's last day, a Sunday."""
    return (period + 1) * WEEKS * 7 - 4


def _read(file: Path) -> dict[str, dict[str, Snapshot]]:
    try:
        kept: dict[str, dict[str, Snapshot]] = json.loads(file.read_text(encoding="ascii"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StoreError(f"{file} is damaged; move it away, and all is computed anew") from error
    return kept
