"""The embedded store: one DuckDB file, owned by one process."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from askfirst.contract.model import Contract
from askfirst.stores.base import (
    HOUR_MS,
    Counts,
    Digest,
    Events,
    Loaded,
    Position,
    StoreError,
    never,
)
from askfirst.stores.duckdb import (
    answering,
    backups,
    connecting,
    memory,
    rewriting,
    runs,
    sealing,
    seen,
    sql,
    upkeep,
)
from askfirst.stores.duckdb.batch import Batch, together
from askfirst.stores.duckdb.dictionaries import Dictionaries
from askfirst.stores.duckdb.gate import Gate
from askfirst.stores.duckdb.pieces import pieces


class DuckDBStore:
    """Implements `askfirst.stores.base.Store`.

    One lock serves everything that writes; a query has a cursor of its own and waits for nobody,
    except for the moment in which a scrubbed file takes the place of the old one.
    While a store is open nothing else in this process may open and close its file: POSIX drops a
    process's lock on a file when any of its descriptors for it is closed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connecting.connect(path)
        self._dictionaries = Dictionaries(self._connection)
        self._seen = seen.Seen(self._connection, path.with_name(path.name + seen.SUFFIX))
        self._sealing = sealing.Sealing(self._connection)
        self._answers = answering.Memory()
        self._lock = threading.Lock()
        self._copying = threading.Lock()  # a backup made during a scrub would keep what it scrubs
        self._gate = Gate()
        self._memory = memory.Memory(self._connection)
        self._is_open = True
        self._broken = False

    def load(
        self, events: Iterable[Events], counts: Counts, position: Position | None = None
    ) -> Loaded:
        """Store events, counts and the log position in one transaction, all or nothing."""
        batches = [Batch.of(one) for one in together(events)]
        total: Counter[tuple[str, int, str]] = Counter(counts)
        stored = duplicate = 0
        is_large = any(len(one.events) >= sealing.ENOUGH for one in batches)
        room = memory.READING if is_large else memory.LOADING
        since = {one.events.tool: one.first_day for one in batches}
        with self._transaction(room, since=since):
            for batch in batches:
                kept = self._add(batch)
                total.update(batch.counts(kept))
                new = int(np.count_nonzero(kept))
                stored, duplicate = stored + new, duplicate + len(kept) - new
            self._add_counts(total)
            if position is not None:
                place = {"log": position.log, "segment": position.segment}
                self._upsert("position", {**place, "byte_offset": position.offset})
            if stored and self._sealing.is_due():
                self._sealing.seal()
        return Loaded(stored, duplicate)

    def position(self, log: str) -> Position | None:
        """Return how far `log` has been loaded, or None if it never was."""
        rows = self._read(sql.statement("position"), {"log": log})
        return Position(log, *rows[0]) if rows else None  # type: ignore[arg-type]

    def declare(self, contract: Contract) -> None:
        """Make `contract` the one in force for its tool."""
        with self._transaction(memory.LOADING):
            tool = self._dictionaries.tool(contract.name)
            row = {"tool": tool, "digest": contract.digest, "canonical": contract.canonical()}
            self._run("declare", row)

    def contracts(self) -> list[Contract]:
        """Return the contracts in force, by tool name."""
        rows = self._read(sql.statement("contracts"), {})
        return [Contract.from_dict(msgspec.json.decode(str(text))) for (text,) in rows]

    def query(self, name: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        """Answer the question `name`. Sees every `load` that has returned.

        Of installations it sees those that the sample of the contract in force has. What is
        remembered is forgotten when another contract is declared.
        """

        def find() -> answering.Answers:
            with self._reading() as cursor, self._memory.of(memory.ASKING):
                return answering.answer(cursor, self._answers, name, parameters)

        if name in answering.UNCACHED or "as_of" not in parameters:
            return find()[name]
        return self._answers.ask(name, parameters, find)

    def erase(self, tool: str, installation: bytes, until: int = 0) -> int:  # noqa: ARG002 - no other has a log
        """Forget an installation (32 bytes) and everything said about it; return how many events.

        No answer has it from then on; its bytes are gone after the next `scrub`.
        """
        erased = 0
        with self._transaction(memory.READING):
            found = self._run("find_installation", {"tool": tool, "installation": installation})
            for (key,) in found:
                columns = self._fetch("identities_of", {"installation": key})
                moment = columns["timestamp"]
                halves = np.stack([columns["id_rest"] ^ moment << 16, columns["id_low"]], axis=1)
                codes = runs.codes(moment, runs.prints(moment, halves))
                self._seen.drop(self._dictionaries.tool(tool), np.sort(codes))
                [(erased,)] = self._run("count_of", {"installation": key})
                self._script("erase", {"installation": key})
                self._sealing.take_out("erase_copied", {"installation": key})
                self._note(tool, installation=installation)
            self._dictionaries.forget()
        return erased

    def retain(self, tool: str, before: int) -> int:
        """Forget events of a tool with a timestamp before `before` (ms UTC); return how many."""
        with self._transaction(memory.READING):
            key = self._dictionaries.tool(tool) if tool in self.tools() else 0
            old = {"tool": key, "before": before}
            [(forgotten,)] = self._run("count_to_retain", old)
            if forgotten:
                self._script("retain", old)
                self._sealing.take_out("retain_copied", old)
                self._seen.drop_before(key, before)
                self._script("sweep", {})
                self._note(tool, before=before)
                self._dictionaries.forget()
        return int(forgotten)

    def size(self) -> int:
        """Return how many bytes the store takes on this machine's disk."""
        files = [self.path, connecting.wal_of(self.path), *self._seen.files()]
        return sum(path.stat().st_size for path in files if path.exists())

    def scrub(self, stopped: Callable[[], bool] = never) -> bool:
        """Make what was forgotten since the last time unreadable in every file, and in the backups
        beside the store; return whether there was anything. Ids that are not needed any more, to
        recognise duplicates, go too.

        Loading goes on, and so does forgetting: what comes after this has begun is due again.
        Raises StoreError for a backup that cannot be scrubbed, once everything else is;
        StoreStoppedError.
        """
        with self._copying:
            with self._lock:
                self._reopen()
                due = [backups.Forgotten(*row) for row in self._rows("forgotten")]
                needed = self._ids_needed_from()
            if not due and not needed:
                return False
            kept = backups.scrub(self.path, due, stopped) if due else []
            if needed or not kept or any(row.here for row in due):
                part = connecting.part_of(self.path)
                last = max((row.number for row in due), default=-1)
                self._rewrite(rewriting.Anew(part, last, bool(kept), needed, stopped))
            if kept:
                raise StoreError("; ".join(kept))
        return True

    def tools(self) -> Sequence[str]:
        """Return the names of tools that have events or a contract."""
        return [str(name) for (name,) in self._read(sql.statement("tools"), {})]

    def count(self, tool: str) -> int:
        """Return how many events of a tool are stored."""
        [(count,)] = self._read(sql.statement("count"), {"tool": tool})
        return int(str(count))

    def events(self, tool: str) -> Iterator[Events]:
        """Yield everything stored of a tool in order of time, some thousand events at a time."""
        hours: Any = self._read(sql.statement("hours"), {"tool": tool})
        for first, last in pieces(hours, upkeep.PIECE):
            yield from self.between(tool, first * HOUR_MS, (last + 1) * HOUR_MS)

    def between(self, tool: str, low: int, high: int) -> Iterator[Events]:
        """Yield what is stored of a tool from `low` to before `high` (ms UTC), as `events` does.

        All of it is read at once: 250 bytes an event.
        """
        question = {"tool": tool, "low": low, "high": high}
        with self._reading() as cursor, self._memory.of(memory.READING):
            table = connecting.arrow(cursor, sql.statement("everything"), question).read_all()
        table = upkeep.identified(table)
        for start in range(0, len(table), upkeep.ROWS):
            yield upkeep.events(tool, table.slice(start, upkeep.ROWS))

    def digests(self, tool: str) -> dict[int, Digest]:
        """Return a digest of the events of each hour (since 1970-01-01 UTC) that has any.

        Where ids are not kept any more, they are those that `events` gives.
        """
        rows: Any = self._read(sql.statement("digests"), {"tool": tool})
        found = {hour: Digest(n, moments, ids % (1 << 64)) for hour, n, moments, ids, _ in rows}
        lacking = [(hour, n) for hour, n, _, _, kept in rows if kept < n]
        for first, last in pieces(lacking, upkeep.PIECE):
            stretch = {"tool": tool, "low": first * HOUR_MS, "high": (last + 1) * HOUR_MS}
            with self._reading() as cursor, self._memory.of(memory.READING):
                table = connecting.arrow(cursor, sql.statement("moments"), stretch).read_all()
            for hour, ids in upkeep.ids_by_hour(upkeep.identified(table)):
                found[hour] = replace(found[hour], ids=ids)
        return found

    def backup(self, target: Path, keep: int | None = None) -> None:
        """Write a copy of the whole store, as it is now, to a path where nothing is.

        With `keep`, the newest so many of the backups beside the store stay.
        """
        part = connecting.part_of(target)
        try:
            with self._copying, self._gate.passing(), self._connection.cursor() as cursor:
                backups.remove_parts(self.path)  # here: outside, they may be another backup's
                if target.exists():
                    raise StoreError(f"{target} exists; give a path where nothing is")
                rewriting.write(cursor, part)
                part.rename(target)
                connecting.sync(target.parent)
                if keep is not None:  # here: a scrub may be at work on them outside
                    for old in backups.files(self.path)[:-keep]:
                        backups.remove(old)
        except OSError as error:
            raise StoreError(f"{target} cannot be written: {error.strerror}") from error
        except duckdb.Error as error:
            raise StoreError(f"{target} cannot be written: {connecting.one_line(error)}") from error

    def check(self) -> list[str]:
        """Say what is wrong with the store, one sentence for each thing; [] if nothing is."""
        try:
            with self._at_work() as cursor:
                found = upkeep.check(cursor, self.path)
            with self._lock:  # a load that ends meanwhile may delete a file
                return found + self._seen.problems()
        except duckdb.Error as error:  # it is closed
            raise StoreError(f"{self.path}: {connecting.one_line(error)}") from error

    def close(self) -> None:
        """Let go of the store; waits for a load and for questions that are under way."""
        with self._lock, self._gate.closed():
            self._seen.close()
            self._connection.close()

    def _add(self, batch: Batch) -> runs.Mask:
        """Store the events that are new, and tell which."""
        tool = self._dictionaries.tool(batch.events.tool)
        kept = ~batch.repeated()
        code = batch.code[batch.order]
        maybe = batch.order[self._seen.may_hold(tool, code)]
        if len(maybe):
            found = self._run("find_events", sought=batch.identities(maybe, tool))
            kept[maybe[[row for (row,) in found]]] = False
        if kept.any():
            self._sealing.add(batch.rows(tool, kept, self._dictionaries))
            self._seen.add(tool, code[kept[batch.order]])
        return kept

    def _add_counts(self, counts: Counts) -> None:
        for (tool, day, kind), n in counts.items():
            if n:
                key = self._dictionaries.tool(tool)
                self._upsert("count", {"tool": key, "day": day, "kind": kind, "n": n})

    def _note(
        self, tool: str, *, installation: bytes | None = None, before: int | None = None
    ) -> None:
        """Record that something is to be scrubbed."""
        row = {"tool": tool, "installation": installation, "before": before}
        self._run("add_forgotten", row)

    def _ids_needed_from(self) -> int:
        """Return the first day of arrival whose ids are needed if a month of others is kept, or 0.

        Counted back from the last day on which anything arrived, so that no clock matters.
        """
        [(newest,)] = self._rows("newest")
        if newest is None:
            return 0
        needed = newest - seen.ID_DAYS
        [(is_worth_it,)] = self._run("has_ids_before", {"day": needed - seen.SPARE_DAYS})
        return needed if is_worth_it else 0

    def _rewrite(self, anew: rewriting.Anew) -> None:
        """Put a new file in the place of the old one, with nothing in it but what is stored."""
        part = anew.target
        with self._lock:
            self._sealing.hold()
        try:
            with self._at_work() as cursor:
                anew.begin(cursor)
            with self._lock:
                self._reopen()
                with self._at_work() as cursor:
                    anew.finish(cursor, self._sealing.taken_out())
                self._replace(part, with_files=not anew.needed)
        except OSError as error:
            raise StoreError(f"{part} cannot be written: {error.strerror}") from error
        except duckdb.Error as error:
            raise StoreError(f"{part} cannot be written: {connecting.one_line(error)}") from error
        finally:
            self._sealing.let_go()

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor for what reads all of the store. Raises duckdb.Error."""
        reading = self._memory.of(memory.READING)
        with self._gate.passing(), reading, self._connection.cursor() as cursor:
            yield cursor

    def _replace(self, part: Path, *, with_files: bool) -> None:
        """Put a file in the place of the store's; the files beside it go on, or are made anew."""
        with self._gate.closed():
            self._connection.execute("CHECKPOINT")
            wal = connecting.wal_of(self.path)
            if wal.exists() and wal.stat().st_size:  # it would be taken for the new file's
                raise StoreError(f"{wal} is still in use; restart the collector")
            part.replace(self.path)
            connecting.sync(self.path.parent)
            self._is_open = False
            self._connection.close()
            if not with_files:
                self._seen.close()
            self._open()

    def _reopen(self) -> None:
        """Open the file again if the last attempt to, after a scrub, failed; or after a fatal
        error, such as a checkpoint on a full disk: DuckDB takes nothing more then. What was
        committed is in the file.
        """
        if self._broken:
            with self._gate.closed():
                self._is_open = self._broken = False
                self._connection.close()
                self._open()
        elif not self._is_open:
            self._open()

    def _open(self) -> None:
        self._connection = connecting.connect(self.path)
        self._memory.move(self._connection)
        self._dictionaries.move(self._connection)
        self._seen.move(self._connection)
        self._sealing.move(self._connection)
        self._is_open = True

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

    def _fetch(self, name: str, parameters: Mapping[str, object]) -> dict[str, Any]:
        """Run a statement within the transaction; return its columns."""
        found = self._connection.execute(sql.statement(name), dict(parameters)).fetchnumpy()
        return {column: np.ma.getdata(values) for column, values in found.items()}

    def _script(self, name: str, parameters: Mapping[str, object]) -> None:
        for text in sql.script(name):
            used = {key: value for key, value in parameters.items() if f"${key}" in text}
            self._connection.execute(text, used)

    def _rows(self, name: str) -> list[tuple[Any, ...]]:
        return self._read(sql.statement(name), {})

    def _read(self, text: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        with self._reading() as cursor:
            rows: list[tuple[object, ...]] = cursor.execute(text, dict(parameters)).fetchall()
            return rows

    @contextlib.contextmanager
    def _reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor for questions. Raises StoreError."""
        lost = self._broken or not self._is_open
        if lost and self._lock.acquire(blocking=False):  # never within a transaction
            try:
                self._reopen()
            finally:
                self._lock.release()
        try:
            with self._gate.passing(), self._connection.cursor() as cursor:
                yield cursor
        except duckdb.Error as error:
            raise self._failure(error) from error

    @contextlib.contextmanager
    def _transaction(self, mib: int, since: Mapping[str, int] | None = None) -> Iterator[None]:
        """All or nothing, what is remembered in memory and the files beside the store included.

        DuckDB may take `mib` meanwhile. `since` gives by tool the first day of which anything
        changes; without it all may.
        """
        with self._lock:
            self._reopen()
            with self._memory.of(mib):
                try:
                    self._connection.execute("BEGIN")
                    yield
                    self._connection.execute("COMMIT")
                except BaseException as error:
                    self._undo()
                    if isinstance(error, duckdb.Error):
                        raise self._failure(error) from error
                    raise
            self._seen.settle()
            self._sealing.settle()
            if since is None:
                self._answers.forget()
            for tool, day in (since or {}).items():
                self._answers.forget(tool, day)

    def _undo(self) -> None:
        self._dictionaries.forget()
        self._sealing.move(self._connection)
        self._seen.close()
        # a failed COMMIT has ended the transaction already, a closed store never began one
        with contextlib.suppress(duckdb.Error):
            self._connection.execute("ROLLBACK")

    def _failure(self, error: duckdb.Error) -> StoreError:
        if isinstance(error, duckdb.FatalException):
            self._broken = True
        if isinstance(error, duckdb.OutOfMemoryException):
            self._memory.was_too_little()
        return StoreError(f"{self.path}: {connecting.one_line(error)}")
