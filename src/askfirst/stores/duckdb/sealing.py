"""Seals what was loaded: sorted by time, summed up by day and by month.

All within the transaction of a load, so that a question sees each event once: in what is summed up,
or in what is not sealed yet.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from askfirst.stores.duckdb import sql
from askfirst.stores.duckdb.pieces import pieces

# Events that wait to be sealed: few enough that a question looks through them in 20 ms. A load of
# as many is sealed at once.
ENOUGH = 250_000
PIECE = 1_000_000  # events sealed at a time, when there are more: after a migration
# Rows of `spans` that may be too many, and the share of all; putting them together takes a second
# for two million.
MOST_SPANS, SHARE_OF_SPANS = 500_000, 0.25


class Sealing:
    """Works through the connection of the transaction it is used in."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.move(connection)

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Work through another connection from now on."""
        self._connection = connection
        self._spans: int | None = None  # rows when they were last put together

    def add(self, rows: pa.Table) -> None:
        """Store rows of events."""
        self._connection.register("batch", rows)
        if len(rows) >= ENOUGH:
            self._seal_batch()
        else:
            self._connection.execute(sql.statement("add_recent"))
        self._connection.unregister("batch")

    def is_due(self) -> bool:
        """Tell whether enough waits to be sealed."""
        return self._count("count_recent") >= ENOUGH

    def seal(self) -> None:
        """Seal everything that waits."""
        arrivals = self._connection.execute(sql.statement("arrivals")).fetchall()
        for low, high in pieces(arrivals, PIECE):
            self._connection.execute(sql.statement("choose"), {"low": low, "high": high})
            self._seal_batch()
            self._connection.execute("DROP TABLE batch")
        self._connection.execute("DELETE FROM recent")

    def _seal_batch(self) -> None:
        self._connection.execute(sql.statement("add_sealed"))
        if self._spans is None:
            self._spans = self._count("count_spans")
        for text in sql.script("sum_up"):
            self._connection.execute(text)
        more = self._count("count_spans") - self._spans
        if more > max(MOST_SPANS, self._spans * SHARE_OF_SPANS):
            for text in sql.script("put_together"):
                self._connection.execute(text)
            self._spans = self._count("count_spans")

    def _count(self, name: str) -> int:
        [(count,)] = self._connection.execute(sql.statement(name)).fetchall()
        return int(count)
