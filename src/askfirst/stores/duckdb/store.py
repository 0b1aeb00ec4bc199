"""The embedded store: one DuckDB file, owned by one process."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from askfirst.contract.model import Contract
from askfirst.stores.base import Counts, Events, Loaded, Position, StoreError
from askfirst.stores.duckdb import connecting, sql, upkeep
from askfirst.stores.duckdb.batch import Batch
from askfirst.stores.duckdb.dictionaries import Dictionaries


class DuckDBStore:
    """Implements `askfirst.stores.base.Store`.

    One lock serves everything that writes; a query has a cursor of its own and waits for nobody.
    While a store is open nothing else in this process may open and close its file: POSIX drops a
    process's lock on a file when any of its descriptors for it is closed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connecting.connect(path)
        self._dictionaries = Dictionaries(self._connection)
        self._lock = threading.Lock()
        self._broken = False

    def load(
        self, events: Iterable[Events], counts: Counts, position: Position | None = None
    ) -> Loaded:
        """Store events, counts and the log position in one transaction, all or nothing."""
        parts = [part for part in events if len(part)]
        total: Counter[tuple[str, int, str]] = Counter(counts)
        loaded = Loaded(0, 0)
        with self._transaction():
            if parts:
                batch = Batch.of(parts, self._dictionaries)
                kept = ~self._duplicates(batch)
                if kept.any():
                    self._run("add_events", batch=batch.rows(kept, self._dictionaries))
                total.update(batch.counts(kept))
                stored = int(np.count_nonzero(kept))
                loaded = Loaded(stored, len(kept) - stored)
            self._add_counts(total)
            if position is not None:
                place = {"log": position.log, "segment": position.segment}
                self._upsert("position", {**place, "byte_offset": position.offset})
        return loaded

    def position(self, log: str) -> Position | None:
        """Return how far `log` has been loaded, or None if it never was."""
        rows = self._read(sql.statement("position"), {"log": log})
        return Position(log, *rows[0]) if rows else None  # type: ignore[arg-type]

    def declare(self, contract: Contract) -> None:
        """Make `contract` the one in force for its tool."""
        with self._transaction():
            tool = self._dictionaries.tool(contract.name)
            row = {"tool": tool, "digest": contract.digest, "canonical": contract.canonical()}
            self._run("declare", row)

    def contracts(self) -> list[Contract]:
        """Return the contracts in force, by tool name."""
        rows = self._read(sql.statement("contracts"), {})
        return [Contract.from_dict(msgspec.json.decode(str(text))) for (text,) in rows]

    def query(self, name: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        """Run `questions/<name>.sql`. Sees every `load` that has returned."""
        return self._read(sql.question(name), parameters)

    def erase(self, tool: str, installation: bytes) -> int:
        """Forget an installation (32 bytes) and everything said about it; return how many events.

        Blocks of the file that this frees keep their bytes until they are used again.
        """
        erased = 0
        with self._transaction():
            found = self._run("find_installation", {"tool": tool, "installation": installation})
            for (key,) in found:
                [(erased,)] = self._run("count_to_erase", {"installation": key})
                for text in sql.script("erase"):
                    self._connection.execute(text, {"installation": key})
            self._dictionaries.forget()
        if found:
            self._checkpoint()
        return int(erased)

    def retain(self, tool: str, before: int) -> int:
        """Forget events of a tool with a timestamp before `before` (ms UTC); return how many."""
        with self._transaction():
            key = self._dictionaries.tool(tool) if tool in self.tools() else 0
            old = {"tool": key, "before": before}
            [(forgotten,)] = self._run("count_to_retain", old)
            if forgotten:
                self._run("retain", old)
                for text in sql.script("sweep"):
                    self._connection.execute(text)
                self._dictionaries.forget()
        if forgotten:
            self._checkpoint()
        return int(forgotten)

    def scrub(self) -> bool:
        return False

    def size(self) -> int:
        files = (self.path, self.path.with_name(self.path.name + ".wal"))
        return sum(path.stat().st_size for path in files if path.exists())

    def tools(self) -> Sequence[str]:
        """Return the names of tools that have events or a contract."""
        return [str(name) for (name,) in self._read(sql.statement("tools"), {})]

    def events(self, tool: str) -> Iterator[Events]:
        """Yield everything stored of a tool in order of time, some thousand events at a time."""
        return upkeep.events(self._connection.cursor(), self.path, tool)

    def backup(self, target: Path) -> None:
        """Write a copy of the whole store, as it is now, to a path where nothing is."""
        upkeep.backup(self._connection.cursor(), target)

    def check(self) -> list[str]:
        """Say what is wrong with the store, one sentence for each thing; [] if nothing is."""
        return upkeep.check(self._connection.cursor(), self.path)

    def close(self) -> None:
        """Let go of the store; waits for a load that is under way."""
        with self._lock:
            self._connection.close()

    def _duplicates(self, batch: Batch) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Tell for each row whether it is stored already or came earlier in the same batch."""
        mask = batch.repeated()
        span = {"low": int(batch.timestamp.min()), "high": int(batch.timestamp.max())}
        rows = self._run("duplicates", span, arrivals=batch.identities())
        mask[[row for (row,) in rows]] = True
        return mask

    def _add_counts(self, counts: Counts) -> None:
        for (tool, day, kind), n in counts.items():
            if n:
                key = self._dictionaries.tool(tool)
                self._upsert("count", {"tool": key, "day": day, "kind": kind, "n": n})

    def _upsert(self, what: str, row: Mapping[str, object]) -> None:
        """Update a row, or insert it: a third of what ON CONFLICT takes, and nobody else writes."""
        [(updated,)] = self._run(f"update_{what}", row)
        if not updated:
            self._run(f"insert_{what}", row)

    def _run(
        self, name: str, parameters: Mapping[str, object] | None = None, **tables: pa.Table
    ) -> list[tuple[int, ...]]:
        """Run a statement within the transaction; it sees `tables` by their names."""
        for table, data in tables.items():
            self._connection.register(table, data)
        rows: list[tuple[int, ...]] = self._connection.execute(
            sql.statement(name), dict(parameters or {})
        ).fetchall()
        for table in tables:
            self._connection.unregister(table)
        return rows

    def _read(self, text: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        if self._broken:
            with self._lock:
                self._reopen_if_broken()
        try:
            with self._connection.cursor() as cursor:
                rows: list[tuple[object, ...]] = cursor.execute(text, dict(parameters)).fetchall()
                return rows
        except duckdb.Error as error:
            raise self._failure(error) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, what is remembered in memory included."""
        with self._lock:
            self._reopen_if_broken()
            try:
                self._connection.execute("BEGIN")
                yield
                self._connection.execute("COMMIT")
            except BaseException as error:
                self._dictionaries.forget()
                # a failed COMMIT has ended the transaction already, a closed store never began one
                with contextlib.suppress(duckdb.Error):
                    self._connection.execute("ROLLBACK")
                if isinstance(error, duckdb.Error):
                    raise self._failure(error) from error
                raise

    def _failure(self, error: duckdb.Error) -> StoreError:
        if isinstance(error, duckdb.FatalException):
            self._broken = True
        return StoreError(f"{self.path}: {connecting.one_line(error)}")

    def _reopen_if_broken(self) -> None:
        """After a fatal error, such as a checkpoint on a full disk, DuckDB takes nothing until its
        file was opened anew; what was committed is in there.
        """
        if not self._broken:
            return
        self._connection.close()
        self._connection = connecting.connect(self.path)
        self._dictionaries = Dictionaries(self._connection)
        self._broken = False

    def _checkpoint(self) -> None:
        """Move what was written ahead into the file, so that nothing of it stays in the log."""
        with self._lock:
            try:
                self._connection.execute("CHECKPOINT")
            except duckdb.Error as error:
                raise self._failure(error) from error
