"""Writes a store anew, row by row, into another file: nothing else gets in."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import duckdb

from askfirst.stores.base import StoreError
from askfirst.stores.duckdb import connecting, sql
from askfirst.stores.duckdb.pieces import pieces

CHUNK = 1_500_000  # events sorted at a time: they fit into memory, where all would not
FRESH = "askfirst_fresh"


@dataclass(frozen=True, slots=True)
class Copy:
    """How to write a store anew.

    `ordered`: events by time, so that they take less space. `beside`: with the list
    of the files beside the store, which are to go on. `still_due`: with the note of what backups
    still hold. `needed`: ids of events that arrived before this day (since 1970-01-01 UTC) are left
    out.
    """

    ordered: bool
    beside: bool
    still_due: bool
    needed: int = 0


def write(cursor: duckdb.DuckDBPyConnection, target: Path, how: Copy) -> None:
    """Write the store of a connection, as it is at this moment, to a new file, mode 0600.

    The file is on disk and held by nobody when this returns. Raises duckdb.Error, OSError, and
    StoreError if it has not become what it should.
    """
    connecting.remove_parts(target)
    [(source,)] = run(cursor, "SELECT current_database()")
    run(cursor, f"ATTACH {connecting.quoted(str(target), chr(39))} AS {FRESH}")
    try:
        target.chmod(0o600)
        run(cursor, "BEGIN")  # one moment for all tables, whatever is loaded meanwhile
        _fill(cursor, connecting.quoted(str(source), '"'), how)
        run(cursor, "COMMIT")
        run(cursor, f"CHECKPOINT {FRESH}")
    except BaseException:
        with contextlib.suppress(duckdb.Error):  # nothing had begun, or it is over already
            run(cursor, "ROLLBACK")
        run(cursor, f"DETACH {FRESH}")
        connecting.remove_parts(target)
        raise
    run(cursor, f"DETACH {FRESH}")
    connecting.sync(target)


def run(
    cursor: duckdb.DuckDBPyConnection, text: str, parameters: dict[str, object] | None = None
) -> list[tuple[object, ...]]:
    """Run one statement of the rewriting."""
    return cursor.execute(text, parameters or {}).fetchall()


def _fill(cursor: duckdb.DuckDBPyConnection, source: str, how: Copy) -> None:
    run(cursor, f"COPY FROM DATABASE {source} TO {FRESH} (SCHEMA)")
    names = [str(name) for (name,) in run(cursor, sql.statement("tables"))]
    for name in names:
        fresh, old = f"{FRESH}.{name}", f"{source}.{name}"
        if name == "sealed" and how.ordered:
            counted = run(cursor, sql.statement("arrivals_of_sealed"))
            for low, high in pieces(counted, CHUNK):  # type: ignore[arg-type]
                run(
                    cursor,
                    sql.statement("add_ordered"),
                    {"low": low, "high": high, "needed": how.needed},
                )
        elif name == "forgotten":
            if how.still_due:
                run(cursor, sql.statement("still_due"))
        elif name != "runs" or how.beside:
            run(cursor, f"INSERT INTO {fresh} FROM {old}")
        if name not in ("forgotten", "runs"):
            count = "SELECT count(*) FROM"
            [(made, was)] = run(cursor, f"SELECT ({count} {fresh}), ({count} {old})")
            if made != was:
                raise StoreError(f"a copy of {name} has {made} rows instead of {was}; check disk")
