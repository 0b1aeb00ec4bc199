"""Brings everything that an embedded store holds to one on a server, while collecting goes on.

Whatever ends it, it can be run again, and brings what is missing; so it is run once while the
collector fills the embedded store, which takes long, and once more when that has ended.
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from askfirst import questions
from askfirst.stores.base import HOUR_MS, Digest, Events, Store, StoreError
from askfirst.stores.clickhouse.arriving import ByDay
from askfirst.stores.clickhouse.store import ClickHouseStore
from askfirst.stores.duckdb.pieces import pieces
from askfirst.stores.duckdb.store import DuckDBStore

PIECE = 50_000  # events brought in one insert
LAST_DAY = 2**31 - 1
LOCK = "copying"


class Move:
    """Everything in `source`, as it is now, is to be at `target`, where it goes by `name`.

    Iterate: it yields events as they are settled, `total` in all. Then `brought`, `taken_back` and
    `others` say what became of them (see `Settled`). `has_others`: somebody else has loaded
    something there. Raises StoreError.
    """

    def __init__(self, source: Store, target: Store, name: str) -> None:
        if not isinstance(source, DuckDBStore) or not isinstance(target, ClickHouseStore):
            raise StoreError("only an embedded store can be copied, and only to ClickHouse")
        self.brought = self.taken_back = 0
        self._source = source
        self._target = target
        self._arrivals = target.arrivals(name)
        self.has_others = self._arrivals.has_others()
        self._here = {tool: source.digests(tool) for tool in source.tools()}
        self._there = {tool: self._arrivals.digests(tool) for tool in self._here}
        self._others: Counter[str] = Counter()
        self.total = sum(
            found.events
            for tool, here in self._here.items()
            for hour, found in here.items()
            if found != self._there[tool].get(hour)
        )

    def __iter__(self) -> Iterator[Events]:
        known = {contract.name for contract in self._target.contracts()}
        for contract in self._source.contracts():
            if not (self.has_others and contract.name in known):
                self._target.declare(contract)
        for tool, here in self._here.items():
            for low, high in _stretches(here, self._there[tool]):
                events = Events(tool)
                for part in self._source.between(tool, low, high):
                    events.extend(part)
                settled = self._arrivals.settle(events, low, high)
                self.brought += settled.brought
                self.taken_back += settled.taken_back
                self._others[tool] += settled.others
                yield events
            self._arrivals.count(tool, self._counts(tool), self._others[tool])
        if self.taken_back:
            self._target.scrub()

    @property
    def others(self) -> int:
        """Return how many events somebody else had loaded there before."""
        return self._others.total()

    def problems(self, as_of: date) -> list[str]:
        """Say what differs between the two, a sentence for each thing; [] if nothing does.

        Every event is compared; and every answer, unless others have loaded something there.
        """
        found = []
        for tool, here in self._here.items():
            there = self._arrivals.digests(tool)
            hours = here.keys() | there.keys()
            differ = sum(here.get(hour) != there.get(hour) for hour in hours)
            missing = sum(one.events for one in here.values())
            missing -= sum(one.events for one in there.values())
            if missing != self._others[tool] or (differ and not missing):
                found.append(f"events of {tool} differ in {differ:,} hours")
            if not self.has_others:
                found += [
                    f"the report {name} of {tool} differs"
                    for name in questions.NAMES
                    if _answer(self._source, name, tool, as_of)
                    != _answer(self._target, name, tool, as_of)
                ]
        return found

    def _counts(self, tool: str) -> ByDay:
        rows = self._source.query("quality", {"tool": tool, "as_of": LAST_DAY})
        return {(int(str(day)), str(kind)): int(str(n)) for day, kind, n in rows}


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other moves of the same store from running. Raises StoreError, OSError."""
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError("this store is being copied already; wait for that") from None
        yield


def _stretches(here: dict[int, Digest], there: dict[int, Digest]) -> Iterator[tuple[int, int]]:
    """Yield stretches of time (ms UTC) in which two stores differ, of some events each."""
    run: list[tuple[int, int]] = []
    for hour in sorted(here.keys() | there.keys()):
        if here.get(hour) == there.get(hour):
            yield from _cut(run)
            run = []
        else:
            run.append((hour, max(one[hour].events for one in (here, there) if hour in one)))
    yield from _cut(run)


def _cut(run: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for first, last in pieces(run, PIECE):
        yield first * HOUR_MS, (last + 1) * HOUR_MS


def _answer(store: Store, name: str, tool: str, as_of: date) -> str:
    return json.dumps(questions.ask(store, name, tool, as_of), sort_keys=True)
