"""Writes a store anew, row by row, into another file: nothing else gets in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from askfirst.stores.base import StoreError, StoreStoppedError, never
from askfirst.stores.duckdb import connecting, sql
from askfirst.stores.duckdb.pieces import pieces
from askfirst.stores.duckdb.sealing import TakenOut

CHUNK = 1_500_000  # events sorted at a time: they fit into memory, where all would not
FRESH = "askfirst_fresh"
SEALED = "sealed"  # the table with nearly all of a store
NOTES, FILES = "forgotten", "runs"  # tables that are not copied as they are


def write(cursor: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Write a backup: the store of a connection, as it is at this moment, in a new file, mode 0600.

    It has no list of files beside it, and no note of what is to be scrubbed. The file is on disk
    and held by nobody when this returns. Raises duckdb.Error, OSError, and StoreError if it has not
    become what it should.
    """
    with _undone(cursor, target):
        _attach(cursor, target)
        run(cursor, "BEGIN")  # one moment for all tables, whatever is loaded meanwhile
        for name in _tables(cursor):
            if name not in (NOTES, FILES):
                run(cursor, f"INSERT INTO {FRESH}.{name} FROM {_source(cursor)}.{name}")
        _compare(cursor)
        run(cursor, "COMMIT")
        _detach(cursor, target)


@dataclass(frozen=True, slots=True)
class Anew:
    """A store in a new file, in two steps, after which it can take the place of the old one.

    `last`: notes of what is to be scrubbed are done with up to that number; `still_due`: but for
    backups. `needed`: ids of events that arrived before this day (since 1970-01-01 UTC) are left
    out, and so is the list of files beside the store. Both steps raise as `write` does, and leave
    nothing then.
    """

    target: Path
    last: int
    still_due: bool
    needed: int
    stopped: Callable[[], bool] = never

    def begin(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Copy what is sealed, by time, so that it takes less space. Meanwhile and up to `finish`
        nothing may be sealed; else loading goes on. Raises StoreStoppedError too.
        """
        with _undone(cursor, self.target):
            _attach(cursor, self.target)
            run(cursor, "BEGIN")
            counted = run(cursor, sql.statement("arrivals_of_sealed"))
            for low, high in pieces(counted, CHUNK):  # type: ignore[arg-type]
                if self.stopped():
                    raise StoreStoppedError(f"{self.target} is written later")
                stretch: dict[str, object] = {"low": low, "high": high, "needed": self.needed}
                run(cursor, sql.statement("add_ordered"), stretch)
            run(cursor, "COMMIT")
            run(cursor, f"CHECKPOINT {FRESH}")

    def finish(self, cursor: duckdb.DuckDBPyConnection, taken_out: Sequence[TakenOut]) -> None:
        """Copy the rest, while nothing else writes; take out of what is there what was `taken_out`
        since `begin`: of that bytes may be left, which later notes are of.
        """
        with _undone(cursor, self.target):
            run(cursor, "BEGIN")
            for statement, parameters in taken_out:
                run(cursor, sql.statement(statement), dict(parameters))
            for name in _tables(cursor):
                if name not in (SEALED, NOTES) and (name != FILES or not self.needed):
                    run(cursor, f"INSERT INTO {FRESH}.{name} FROM {_source(cursor)}.{name}")
            notes: dict[str, object] = {"last": self.last, "with_others": self.still_due}
            run(cursor, sql.statement("still_due"), notes)
            _compare(cursor)
            run(cursor, "COMMIT")
            _detach(cursor, self.target)


def run(
    cursor: duckdb.DuckDBPyConnection, text: str, parameters: dict[str, object] | None = None
) -> list[tuple[object, ...]]:
    """Run one statement of the rewriting."""
    return cursor.execute(text, parameters or {}).fetchall()


def _attach(cursor: duckdb.DuckDBPyConnection, target: Path) -> None:
    connecting.remove_parts(target)
    run(cursor, f"ATTACH {connecting.quoted(str(target), chr(39))} AS {FRESH}")
    target.chmod(0o600)
    run(cursor, f"COPY FROM DATABASE {_source(cursor)} TO {FRESH} (SCHEMA)")


def _detach(cursor: duckdb.DuckDBPyConnection, target: Path) -> None:
    run(cursor, f"CHECKPOINT {FRESH}")
    run(cursor, f"DETACH {FRESH}")
    connecting.sync(target)


@contextlib.contextmanager
def _undone(cursor: duckdb.DuckDBPyConnection, target: Path) -> Iterator[None]:
    """Leave nothing of a file that has not become what it should."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # nothing had begun, or it is over already
            run(cursor, "ROLLBACK")
        run(cursor, f"DETACH DATABASE IF EXISTS {FRESH}")
        connecting.remove_parts(target)
        raise


def _compare(cursor: duckdb.DuckDBPyConnection) -> None:
    """Count what was copied. Raises StoreError."""
    count = "SELECT count(*) FROM"
    for name in _tables(cursor):
        if name not in (NOTES, FILES):
            fresh, old = f"{FRESH}.{name}", f"{_source(cursor)}.{name}"
            [(made, was)] = run(cursor, f"SELECT ({count} {fresh}), ({count} {old})")
            if made != was:
                raise StoreError(f"a copy of {name} has {made} rows instead of {was}; check disk")


def _tables(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    return [str(name) for (name,) in run(cursor, sql.statement("tables"))]


def _source(cursor: duckdb.DuckDBPyConnection) -> str:
    [(name,)] = run(cursor, "SELECT current_database()")
    return connecting.quoted(str(name), '"')
