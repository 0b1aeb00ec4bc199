"""The store on a ClickHouse server, shared by any number of collectors."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from askfirst.contract.model import Contract
from askfirst.contract.sampling import limit
from askfirst.stores.base import (
    Counts,
    Events,
    Loaded,
    Position,
    StoreAwayError,
    StoreError,
    never,
)
from askfirst.stores.clickhouse import batch as batches
from askfirst.stores.clickhouse import sql
from askfirst.stores.clickhouse.arriving import Arrivals
from askfirst.stores.clickhouse.batch import CLOCKS_MS, Batch, Mask, packed, together
from askfirst.stores.clickhouse.connecting import Address, failing
from askfirst.stores.clickhouse.hosts import Hosts
from askfirst.stores.clickhouse.loading import Origin
from askfirst.stores.clickhouse.migrating import prepare
from askfirst.stores.clickhouse.remembering import Memory

PERIOD_MS = 28 * 86_400_000  # of a partition
ROWS = 10_000  # of events yielded at a time
GONE_SECONDS = 120.0  # a server deletes replaced parts within this; measured: 6
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LOOK_SECONDS = 0.2  # between two looks at what it has still to delete


class ClickHouseStore:
    """Implements `askfirst.stores.base.Store`.

    Any number of processes may have the store open. Logs of different collectors must have
    different names in it: `collector` is put before them. With `patient`, a server that does not
    answer is no error: every method raises StoreAwayError until it does.
    """

    def __init__(
        self,
        url: str,
        *,
        create: bool = True,
        collector: str = "",
        patient: bool = False,
        password: str = "",
    ) -> None:
        self.address = Address.of(url, password)
        self._create = create
        self._collector = collector
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._opened: Hosts | None = None
        self._memory = Memory()
        try:
            self._hosts()
        except StoreAwayError:
            if not patient:
                raise

    def load(
        self, events: Iterable[Events], counts: Counts, position: Position | None = None
    ) -> Loaded:
        """Store events, then counts and the log position in one insert.

        Until the counts are there, a question may see some of the events and not yet others. A load
        that fails may leave events behind; the same log's next load counts them as its own.
        """
        parts = [Batch.of(one) for one in together(events)]
        total: Counter[tuple[str, int, str]] = Counter(counts)
        stored = duplicate = 0
        with self._lock:
            origin = self._origin(position)
            rows, seen = [], []
            for part in parts:
                new, is_there = self._known(part, origin)
                wanted = new & ~is_there & ~self._erased(part)
                if wanted.any():
                    rows.append(part.rows(wanted, origin.number))
                seen.append((part, new, new & is_there | wanted))
            if rows:
                self._insert("events", pa.concat_tables(rows), origin.token("events", position))
            for part, new, brought in seen:
                erased = self._erased(part)  # again: somebody may have been meanwhile
                self._take_back(part, brought & erased, origin)
                total.update(part.counts(new & ~erased, erased))
                stored += int(np.count_nonzero(new & ~erased))
                duplicate += int(np.count_nonzero(~new & ~erased))
            self._add_counts(total, position, origin)
        return Loaded(stored, duplicate)

    def position(self, log: str) -> Position | None:
        """Return how far `log` has been loaded, or None if it never was."""
        [(segment, offset, known)] = self._read("position", {"log": self._log(log)})
        return Position(log, segment, offset) if known else None

    def declare(self, contract: Contract) -> None:
        """Make `contract` the one in force for its tool."""
        if any(
            one.name == contract.name and one.digest == contract.digest for one in self.contracts()
        ):
            return  # every collector of many declares it when it starts
        self._do(
            "declare",
            {
                "tool": contract.name,
                "digest": contract.digest,
                "canonical": contract.canonical(),
                "moment": time.time_ns(),
            },
            distributed_foreground_insert=1,
        )

    def contracts(self) -> list[Contract]:
        """Return the contracts in force, by tool name."""
        return [
            Contract.from_dict(msgspec.json.decode(text)) for (text,) in self._read("contracts")
        ]

    def query(self, name: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        """Run `questions/<name>.sql`. Sees every `load` that has returned.

        Of installations it sees those that the sample of the contract in force has. On a cluster
        every shard answers for its own installations, and only its answer travels. What comes from
        events is remembered as long as their parts are the same, but where shards have replicas.
        """
        asked = {**parameters}
        text = sql.question(name)
        sample = self._sample(asked.get("tool"))
        if sample < 1:
            asked["below"] = f"{limit(sample):0<64}"
            text = sql.sampled(text)
        layout = self._hosts().layout
        whole = sql.on_shards(text, layout.cluster, self.address.database)
        if layout.replicas or sql.MARK not in text:
            return self._ask(whole, asked)
        state = tuple(self._on_each("state"))
        key = repr(sorted(asked.items()))
        return self._memory.ask(state, name, key, lambda: _in_arrays(self._ask(whole, asked)))

    def erase(self, tool: str, installation: bytes, until: int = 0) -> int:
        """Forget an installation (32 bytes); return how many events.

        No answer has it from then on; its bytes are gone after the next `scrub`. With `until` (ms
        UTC), events that any collector has received by a clock of its own until then, or up to
        CLOCKS_MS later, are left out when they are loaded; that is kept for 60 days.
        """
        who = {"tool": tool, "who": installation.hex()}
        if until:  # first: a load that does not see it yet has brought its events before this ends
            self._do("note_erasure", {**who, "moment": until}, distributed_foreground_insert=1)
        [(erased,)] = self._read("count_to_erase", who)
        if erased:
            self._change("erase", who, lightweight_deletes_sync=2)
        return int(erased)

    def retain(self, tool: str, before: int) -> int:
        """Forget events of a tool with a timestamp before `before` (ms UTC); return how many.

        Whole periods go with their files, at once.
        """
        old = {"tool": tool, "before": before}
        [(forgotten,)] = self._read("count_to_retain", old)
        if forgotten:
            for (period,) in self._read("periods", {"tool": tool}):
                if (period + 1) * PERIOD_MS <= before:
                    self._change("drop_period", {"tool": tool, "period": period})
            self._change("retain", old, lightweight_deletes_sync=2)
        return int(forgotten)

    def size(self) -> int:
        """Return how many bytes the store takes on the disks of its servers."""
        return sum(int(size or 0) for (size,) in self._on_each("size"))

    def scrub(self, stopped: Callable[[], bool] = never) -> bool:  # noqa: ARG002 - the server scrubs
        """Make what was forgotten since the last time unreadable in every file of the database;
        return whether there was anything.

        That there is something is a mark on the parts themselves. Questions and loads go on.
        Backups are the operator's to look after. Raises StoreError if the server keeps old files.
        """
        masked = any(count for (count,) in self._on_each("masked"))
        if masked:
            # what replicas keep of changes is in Keeper, not in files
            told = set() if self._hosts().layout.replicas else self._names("changes")
            self._change("apply_masks", {}, mutations_sync=2)
            self._see_off("replaced", self._names("replaced"))
            self._see_off("changes", told)
        return masked

    def tools(self) -> Sequence[str]:
        """Return the names of tools that have events or a contract."""
        return [str(name) for (name,) in self._read("tools")]

    def count(self, tool: str) -> int:
        """Return how many events of a tool are stored."""
        [(count,)] = self._read("count", {"tool": tool})
        return int(count)

    def events(self, tool: str) -> Iterator[Events]:
        """Yield everything stored of a tool in order of time, some thousand events at a time."""
        client = self._hosts().front
        for (period,) in self._read("periods", {"tool": tool}):
            question = {"tool": tool, "period": period}
            with failing(self.address):
                stream = client.query_arrow_stream(sql.statement("everything"), question)
                with stream as tables:
                    for table in tables:
                        whole = pa.Table.from_batches([table]) if _is_batch(table) else table
                        for start in range(0, len(whole), ROWS):
                            yield batches.events(tool, whole.slice(start, ROWS))

    def backup(self, target: Path, keep: int | None = None) -> None:  # noqa: ARG002 - none lie here
        """Have every server write a backup of the database to a file of that name.

        It lies where the server's `backups.allowed_path` says. Raises StoreError if it allows none.
        """
        if not _FILE.fullmatch(target.name):
            raise StoreError("name a backup with letters, digits, dots and dashes")
        text = sql.statement("backup").replace("$database", self.address.database)
        for address, client in self._hosts().each():
            try:
                with failing(address):
                    client.command(text.replace("$name", target.name))
            except StoreError as error:
                remedy = "its backups.allowed_path says where it may write backups"
                raise StoreError(f"{error}; {remedy}") from error

    def check(self) -> list[str]:
        """Say what is wrong with the store, one sentence for each thing; [] if nothing is.

        Reads every part and compares its checksums.
        """
        found = []
        database = {"database": self.address.database}
        for address, client in self._hosts().each():
            with failing(address):
                rows = client.query(sql.statement("detached"), database).result_rows
                found += [
                    f"{address} has set {n} damaged parts of {name} aside" for name, n in rows
                ]
                for (table,) in client.query(sql.statement("tables"), database).result_rows:
                    whole = {"check_query_single_value_result": 1}
                    if not client.command(sql.statement("check"), {"table": table}, settings=whole):
                        found.append(f"{address}: {table} is damaged; see CHECK TABLE {table}")
        return found

    def arrivals(self, source: str) -> Arrivals:
        """Return what takes over the events of the embedded store of that name."""
        return Arrivals(self._hosts(), source)

    def close(self) -> None:
        """Let go of the store; waits for a load that is under way."""
        with self._lock, self._opening:
            if self._opened is not None:
                self._opened.close()

    def _hosts(self) -> Hosts:
        """Return the connections, made when the servers answer for the first time."""
        with self._opening:
            if self._opened is None:
                prepare(self.address, create=self._create)
                self._opened = Hosts(self.address)
            return self._opened

    def _sample(self, tool: object) -> float:
        rows = self._read("contract", {"tool": tool})
        return Contract.from_dict(msgspec.json.decode(rows[0][0])).sample if rows else 1.0

    def _erased(self, part: Batch) -> Mask:
        """Tell for each event whether it was received before its installation was erased."""
        since = min(part.events.received) - CLOCKS_MS
        rows = self._read("erased", {"tool": part.events.tool, "since": since})
        return part.erased({bytes(who): int(moment) for who, moment in rows})

    def _take_back(self, part: Batch, mask: Mask, origin: Origin) -> None:
        """Delete what a load has brought of installations that were erased meanwhile."""
        for who in part.who(mask):
            row = {"tool": part.events.tool, "who": who.hex(), "origin": origin.number}
            self._change("erase_load", row, lightweight_deletes_sync=2)

    def _log(self, log: str) -> str:
        return f"{self._collector}/{log}" if self._collector else log

    def _origin(self, position: Position | None) -> Origin:
        if position is None:
            return Origin.unique()
        return Origin.of(self._log(position.log), self.position(position.log))

    def _known(self, part: Batch, origin: Origin) -> tuple[Mask, Mask]:
        """Tell for each event whether it is new, and whether this load has brought it before."""
        low, high = min(part.events.timestamp), max(part.events.timestamp)
        question = {"tool": part.events.tool, "low": low, "high": high}
        found = self._look_up(part.keys, question)
        new = part.first()
        is_there = np.zeros(len(new), bool)
        if len(found):
            own = found["origin"].to_numpy() == np.uint64(origin.number)
            stored = packed(found)
            is_there = np.isin(part.packed, stored)
            new &= ~is_there | np.isin(part.packed, stored[own])
        return new, is_there

    def _look_up(self, keys: pa.Table, question: Mapping[str, object]) -> pa.Table:
        from clickhouse_connect.driver.external import ExternalData

        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, keys.schema) as writer:
            writer.write_table(keys)
        block = ExternalData(
            file_name="block",
            data=sink.getvalue().to_pybytes(),
            fmt="ArrowStream",
            structure=["timestamp Int64", "id_high UInt64", "id_low UInt64"],
        )
        with failing(self.address):
            return self._hosts().front.query_arrow(
                sql.statement("known"), dict(question), external_data=block
            )

    def _insert(self, table: str, rows: pa.Table, token: str) -> None:
        settings = {
            "insert_deduplication_token": token,
            "max_partitions_per_insert_block": 0,  # events that come late are of many periods
            "async_insert": 0,
            "distributed_foreground_insert": 1,  # answered when every shard has its rows
        }
        hosts = self._hosts()
        if hosts.layout.replicas:
            settings["insert_quorum"] = "auto"  # most of a shard's replicas have them
        with failing(self.address):
            hosts.front.insert_arrow(table, rows, settings=settings)

    def _add_counts(self, counts: Counts, position: Position | None, origin: Origin) -> None:
        """Insert the counts and the position in one block of one partition: all or nothing."""
        place = (position.segment, position.offset) if position else (-1, -1)
        rows = [(*key, n) for key, n in counts.items() if n]
        if position:
            rows.append(("", 0, "", 0))
        if not rows:
            return
        tools, days, kinds, numbers = zip(*rows, strict=True)
        size = len(rows)
        at = pa.StructArray.from_arrays(
            [pa.array([part] * size, pa.int64()) for part in place], ["segment", "byte_offset"]
        )
        table = pa.table(
            {
                "log": pa.array([self._log(position.log) if position else ""] * size),
                "tool": pa.array(tools, pa.string()),
                "day": pa.array(days, pa.int32()),
                "kind": pa.array(kinds, pa.string()),
                "n": pa.array(numbers, pa.int64()),
                "position": at,
            }
        )
        self._insert("ledger", table, origin.token("ledger", position))

    def _see_off(self, what: str, names: set[str]) -> None:
        """Wait until the server has deleted files. Raises StoreError."""
        deadline = time.monotonic() + GONE_SECONDS
        while names:
            if time.monotonic() > deadline:
                raise StoreError(
                    f"{self.address} still keeps {len(names)} files that were replaced; "
                    "what was erased is gone when it deletes them"
                )
            time.sleep(LOOK_SECONDS)
            names &= self._names(what)

    def _names(self, what: str) -> set[str]:
        return {name for (name,) in self._on_each(what)}

    def _on_each(self, name: str) -> list[tuple[Any, ...]]:
        """Ask every server about its own part of the store; return all rows."""
        hosts = self._hosts()
        names = {"database": self.address.database, "events": hosts.table("events")}
        rows: list[tuple[Any, ...]] = []
        for address, client in hosts.each():
            with failing(address):
                found = client.query(sql.statement(name), parameters=names).result_rows
                rows += [tuple(row) for row in found]
        return rows

    def _change(self, name: str, parameters: Mapping[str, object], **settings: Any) -> None:
        """Change the events of every shard."""
        hosts = self._hosts()
        names = {**parameters, "events": hosts.table("events")}
        for address, client in hosts.each_shard():
            with failing(address):
                client.command(sql.statement(name), parameters=names, settings=settings)

    def _do(self, name: str, parameters: Mapping[str, object], **settings: Any) -> None:
        with failing(self.address):
            self._hosts().front.command(
                sql.statement(name), parameters=dict(parameters), settings=settings
            )

    def _read(self, name: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        return self._ask(sql.statement(name), parameters or {})

    def _ask(self, text: str, parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        with failing(self.address):
            rows = self._hosts().front.query(text, parameters=dict(parameters)).result_rows
            return [tuple(row) for row in rows]


def _in_arrays(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Have lists of numbers in a fifth of the memory."""
    return [tuple(np.array(v, np.int64) if isinstance(v, list) else v for v in r) for r in rows]


def _is_batch(table: pa.Table | pa.RecordBatch) -> bool:
    return isinstance(table, pa.RecordBatch)
