"""What an operator does with a whole store: read all of it, check it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from askfirst.stores.base import HOUR_MS, Events, Values
from askfirst.stores.duckdb import connecting, runs, sql
from askfirst.stores.duckdb.batch import APPLICATION, ENVIRONMENT

ROWS = 10_000  # of events yielded at a time
PIECE = 200_000  # events read at a time: 50 MB


def check(cursor: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Say what is wrong with a store; [] if nothing is."""
    try:
        rows = cursor.execute(sql.statement("check")).fetchall()
    except duckdb.Error as error:  # a damaged block
        return [f"{path} cannot be read: {connecting.one_line(error)}"]
    return [f"{path} has {count} {what}" for what, count in rows if count]


def identified(table: pa.Table) -> pa.Table:
    """Give events whose ids are not kept others (UUID version 7), the same ones each time.

    `table` has the rows of `statements/everything.sql` or `moments.sql`, all those of a moment.
    """
    missing = table["id_low"].is_null().to_numpy()
    if not missing.any():
        return table
    rows = np.flatnonzero(missing)
    moment = table["timestamp"].to_numpy()[rows]
    people = b"".join(table["hash"].take(rows).to_pylist())
    halves = np.frombuffer(people, np.int64).reshape(len(rows), -1)[:, :2]
    print_ = runs.prints(moment, halves)
    order = np.argsort(print_, kind="stable")
    same = print_[order]
    made = np.empty_like(print_)  # the nth of an installation at a moment
    made[order] = runs.mixed(same + (np.arange(len(same)) - np.searchsorted(same, same)).view("u8"))
    low = made & np.uint64((1 << 62) - 1) | np.uint64(1 << 63)
    rest = runs.mixed(made) & np.uint64(0xFFF) | np.uint64(0x7000)
    for name, column in (("id_low", low), ("id_rest", rest)):
        whole = table[name].fill_null(0).to_numpy().copy()
        whole[rows] = column.view(np.int64)
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(whole))
    return table


def events(tool: str, table: pa.Table) -> Events:
    """Return the rows of `statements/everything.sql` as events."""
    moment = table["timestamp"].to_numpy()
    halves = np.stack([table["id_rest"].to_numpy() ^ moment << 16, table["id_low"].to_numpy()], 1)
    moments = array("q", moment.tobytes())
    made = Events(tool, bytearray(halves.astype(">i8").tobytes()), moments, moments[:])
    made.installation += b"".join(table["hash"].to_pylist())
    made.version = table["version"].to_pylist()
    made.command = table["command"].to_pylist()
    made.fields = _fields(table)
    return made


def _fields(table: pa.Table) -> dict[str, Values]:
    """Return a column for each field that any of the rows has."""
    context = table["context"].combine_chunks().dictionary_encode()
    decoded = [msgspec.json.decode(text) for text in context.dictionary.to_pylist()]
    of_row = [None if code is None else decoded[code] for code in context.indices.to_pylist()]
    names = dict.fromkeys(name for fields in decoded for name in fields)
    columns: dict[str, Values] = {
        name: [row.get(name) if row else None for row in of_row] for name in names
    }
    for name, column in ((APPLICATION, "application"), (ENVIRONMENT, "environment")):
        texts = table[column].to_pylist()
        if name in columns:  # a flag of that name
            flags = columns[name]
            texts = [texts[row] if flag is None else flag for row, flag in enumerate(flags)]
        if any(text is not None for text in texts):
            columns[name] = texts
    return columns


def ids_by_hour(table: pa.Table) -> Iterator[tuple[int, int]]:
    """Yield (hour since 1970-01-01 UTC, second halves of ids xor-ed) of events in order of time."""
    if not len(table):
        return
    hours = table["timestamp"].to_numpy() // HOUR_MS
    starts = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
    ids = np.bitwise_xor.reduceat(table["id_low"].to_numpy().view(np.uint64), starts)
    yield from zip(hours[starts].tolist(), ids.tolist(), strict=True)
