"""What an operator does with a whole store: read all of it, check it."""

from __future__ import annotations

from array import array
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from askfirst.stores.base import Events
from askfirst.stores.duckdb import connecting, sql
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


def events(tool: str, table: pa.Table) -> Events:
    """Return the rows of `statements/everything.sql` as events."""
    halves = np.stack([table["id_high"].to_numpy(), table["id_low"].to_numpy()], axis=1)
    moments = array("q", table["timestamp"].to_numpy().tobytes())
    made = Events(tool, bytearray(halves.astype(">i8").tobytes()), moments, moments[:])
    made.installation += b"".join(table["hash"].to_pylist())
    made.version = table["version"].to_pylist()
    made.command = table["command"].to_pylist()
    made.fields = _fields(table)
    return made


def _fields(table: pa.Table) -> dict[str, list[str | bool | None]]:
    """Return a column for each field that any of the rows has."""
    context = table["context"].combine_chunks().dictionary_encode()
    decoded = [msgspec.json.decode(text) for text in context.dictionary.to_pylist()]
    of_row = [None if code is None else decoded[code] for code in context.indices.to_pylist()]
    names = dict.fromkeys(name for fields in decoded for name in fields)
    columns = {name: [row.get(name) if row else None for row in of_row] for name in names}
    for name, column in ((APPLICATION, "application"), (ENVIRONMENT, "environment")):
        texts = table[column].to_pylist()
        if name in columns:  # a flag of that name
            flags = columns[name]
            texts = [texts[row] if flag is None else flag for row, flag in enumerate(flags)]
        if any(text is not None for text in texts):
            columns[name] = texts
    return columns
