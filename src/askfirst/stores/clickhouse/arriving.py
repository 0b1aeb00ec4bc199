"""Takes over what an embedded store holds: its events, each once, and its counts as they are.

Nothing is remembered of how far that has come. Hour by hour the two stores are compared, and where
they differ event by event, so that it can be begun again whatever ended it. What it brings has an
origin of its own (see loading.py): what the embedded store has forgotten meanwhile is taken back,
and what others loaded is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from askfirst.stores.base import DUPLICATE, STORED, Digest, Events
from askfirst.stores.clickhouse import sql
from askfirst.stores.clickhouse.batch import KEYS, Batch, packed
from askfirst.stores.clickhouse.connecting import failing
from askfirst.stores.clickhouse.hosts import Hosts
from askfirst.stores.clickhouse.loading import Origin

MOST_KEYS = 1000  # taken back in one statement: 60 kB

ByDay = Mapping[tuple[int, str], int]  # (day of arrival, kind) -> how many


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a stretch of time: events brought, taken back, and such as somebody else had
    loaded before.
    """

    brought: int
    taken_back: int
    others: int


class Arrivals:
    """Where the events of the embedded store named `source` arrive. One process at a time may do
    this for a source. All methods raise StoreError.
    """

    def __init__(self, hosts: Hosts, source: str) -> None:
        self._hosts = hosts
        self._log = f"copy/{source}"
        self._origin = Origin.of(self._log, None).number

    def has_others(self) -> bool:
        """Tell whether anybody else has loaded something."""
        [(rows,)] = self._read("other_logs", {"log": self._log})
        return bool(rows)

    def digests(self, tool: str) -> dict[int, Digest]:
        """Return a digest of what was brought of each hour (since 1970-01-01 UTC)."""
        rows = self._read("digests", {"tool": tool, "origin": self._origin})
        return {hour: Digest(n, moments, ids) for hour, n, moments, ids in rows}

    def settle(self, events: Events, low: int, high: int) -> Settled:
        """Have of what was brought exactly these, which are all that the source has of a tool from
        `low` to before `high` (ms UTC).
        """
        stretch = {"tool": events.tool, "origin": self._origin, "low": low, "high": high}
        with failing(self._hosts.address):
            keys = self._hosts.front.query_arrow(sql.statement("keys_between"), stretch)
        stored, own = packed(keys), keys["own"].to_numpy().astype(bool)
        part = Batch.of(events)
        is_there = np.isin(part.packed, stored)
        if not is_there.all():
            self._insert("events", part.rows(~is_there, self._origin))
        is_own = np.isin(part.packed, stored[own])
        gone = own & ~np.isin(stored, part.packed)
        self._take_back(keys.filter(pa.array(gone)), stretch, everything=not len(events))
        return Settled(
            brought=int(np.count_nonzero(~is_there)),
            taken_back=int(np.count_nonzero(gone)),
            others=int(np.count_nonzero(is_there & ~is_own)),
        )

    def count(self, tool: str, counts: ByDay, others: int) -> None:
        """Have the source's counts; `others` of its stored events were duplicates, seen from here.

        The days of their arrival are not known: they count as the last that arrived.
        """
        due = dict(counts)
        for day, kind in sorted(counts, reverse=True):
            if kind == STORED and others:
                few = min(others, due[day, STORED])
                due[day, STORED] -= few
                due[day, DUPLICATE] = due.get((day, DUPLICATE), 0) + few
                others -= few
        rows = self._read("counted", {"log": self._log, "tool": tool})
        has = {(day, kind): n for day, kind, n in rows}
        more = {key: due.get(key, 0) - has.get(key, 0) for key in due.keys() | has.keys()}
        changed = [(*key, n) for key, n in more.items() if n]
        if changed:
            self._insert("ledger", self._ledger(tool, changed))  # in one block: all or nothing

    def _ledger(self, tool: str, rows: list[tuple[int, str, int]]) -> pa.Table:
        days, kinds, numbers = zip(*rows, strict=True)
        nowhere = pa.array([-1] * len(rows), pa.int64())
        place = pa.StructArray.from_arrays([nowhere, nowhere], ["segment", "byte_offset"])
        return pa.table(
            {
                "log": pa.array([self._log] * len(rows)),
                "tool": pa.array([tool] * len(rows)),
                "day": pa.array(days, pa.int32()),
                "kind": pa.array(kinds, pa.string()),
                "n": pa.array(numbers, pa.int64()),
                "position": place,
            }
        )

    def _take_back(self, keys: pa.Table, stretch: dict[str, object], *, everything: bool) -> None:
        if everything and len(keys):
            self._change("take_all_back", stretch)
            return
        for start in range(0, len(keys), MOST_KEYS):
            few = keys.slice(start, MOST_KEYS)
            rows = list(zip(*(few[name].to_pylist() for name in KEYS), strict=True))
            self._change("take_back", {**stretch, "keys": rows})

    def _insert(self, table: str, rows: pa.Table) -> None:
        settings: dict[str, str | int] = {
            # another each time: what was taken back and comes again is no retry
            "insert_deduplication_token": Origin.unique().token(table, None),
            "max_partitions_per_insert_block": 0,
            "async_insert": 0,
            "distributed_foreground_insert": 1,  # answered when every shard has its rows
        }
        if self._hosts.layout.replicas:
            settings["insert_quorum"] = "auto"
        with failing(self._hosts.address):
            self._hosts.front.insert_arrow(table, rows, settings=settings)

    def _change(self, name: str, parameters: dict[str, object]) -> None:
        names = {**parameters, "events": self._hosts.table("events")}
        settings = {"lightweight_deletes_sync": 2}
        for address, client in self._hosts.each_shard():
            with failing(address):
                client.command(sql.statement(name), parameters=names, settings=settings)

    def _read(self, name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        with failing(self._hosts.address):
            rows = self._hosts.front.query(sql.statement(name), parameters=parameters).result_rows
            return [tuple(row) for row in rows]
