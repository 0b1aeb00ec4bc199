"""Lets a question see only installations that the contract in force lets take part."""

from __future__ import annotations

import duckdb
import msgspec

from askfirst.contract.model import Contract
from askfirst.contract.sampling import limit
from askfirst.stores.duckdb import sql


def narrow(cursor: duckdb.DuckDBPyConnection, tool: object) -> None:
    """Put views in the place of the tables, for this cursor, if others are stored.

    Those are where a contract asked more of them before; without them what is left is a sample of
    the share in force at every time. Usually there are none, and a question reads the table itself.
    """
    found = cursor.execute(sql.statement("sampled"), {"tool": tool}).fetchall()
    for key, text in found:
        sample = Contract.from_dict(msgspec.json.decode(text)).sample
        if sample < 1 and _has_others(cursor, key, limit(sample)):
            [(database,)] = cursor.execute("SELECT current_database()").fetchall()
            name = '"' + database.replace('"', '""') + '"'
            values = {"database": name, "tool": key, "limit": limit(sample)}
            for statement in sql.script("narrow"):
                cursor.execute(statement.format(**values))


def _has_others(cursor: duckdb.DuckDBPyConnection, tool: int, below: str) -> bool:
    [(has,)] = cursor.execute(sql.statement("others"), {"tool": tool, "limit": below}).fetchall()
    return bool(has)
