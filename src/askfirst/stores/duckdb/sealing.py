"""Seals what was loaded: sorted by time, summed up by day and by month.

All within the transaction of a load, so that a question sees each event once: in what is summed up,
or in what is not sealed yet.
"""

from __future__ import annotations

from collections.abc import Mapping

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


TakenOut = tuple[str, Mapping[str, object]]  # the name of a statement, and its parameters


class Sealing:
    """Works through the connection of the transaction it is used in.

    While it is held back nothing is sealed, because somebody copies what is.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._is_held = False
        self._taken_out: list[TakenOut] = []
        self.move(connection)

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Work through another connection from now on, or after a transaction that failed."""
        self._connection = connection
        self._spans: int | None = None  # rows when they were last put together
        self._taking_out: list[TakenOut] = []

    def add(self, rows: pa.Table) -> None:
        """Store rows of events."""
        self._connection.register("batch", rows)
        if len(rows) >= ENOUGH and not self._is_held:
            self._seal_batch()
        else:
            self._connection.execute(sql.statement("add_recent"))
        self._connection.unregister("batch")

    def is_due(self) -> bool:
        """Tell whether enough waits to be sealed."""
        return not self._is_held and self._count("count_recent") >= ENOUGH

    def seal(self) -> None:
        """Seal everything that waits."""
        arrivals = self._connection.execute(sql.statement("arrivals")).fetchall()
        for low, high in pieces(arrivals, PIECE):
            self._connection.execute(sql.statement("choose"), {"low": low, "high": high})
            self._seal_batch()
            self._connection.execute("DROP TABLE batch")
        self._connection.execute("DELETE FROM recent")

    def hold(self) -> None:
        """Hold back from now on."""
        self._is_held = True
        self._taken_out = []

    def let_go(self) -> None:
        """Hold back no longer."""
        self._is_held = False

    def take_out(self, statement: str, parameters: Mapping[str, object]) -> None:
        """Note that this transaction takes out of `sealed` what `statement` takes out of a copy."""
        self._taking_out.append((statement, parameters))

    def settle(self) -> None:
        """The transaction is committed."""
        if self._is_held:
            self._taken_out += self._taking_out
        self._taking_out = []

    def taken_out(self) -> list[TakenOut]:
        """Return what was taken out of `sealed` since it is held back."""
        return self._taken_out

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
