"""What an operator does with a whole store: read all of it, copy it, check it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from askfirst.stores.base import Events, StoreError
from askfirst.stores.duckdb import connecting, sql
from askfirst.stores.duckdb.batch import APPLICATION, ENVIRONMENT

ROWS = 10_000  # of events held in memory at a time


def events(cursor: duckdb.DuckDBPyConnection, path: Path, tool: str) -> Iterator[Events]:
    """Yield all events of a tool in order of time. Raises StoreError."""
    try:
        with cursor:
            cursor.execute(sql.statement("everything"), {"tool": tool})
            while rows := cursor.fetchmany(ROWS):
                yield _events(tool, rows)
    except duckdb.Error as error:
        raise StoreError(f"{path}: {connecting.one_line(error)}") from error


def check(cursor: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Say what is wrong with a store; [] if nothing is."""
    try:
        with cursor:
            rows = cursor.execute(sql.statement("check")).fetchall()
    except duckdb.Error as error:  # a damaged block
        return [f"{path} cannot be read: {connecting.one_line(error)}"]
    return [f"{path} has {count} {what}" for what, count in rows if count]


def backup(cursor: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Copy a store as it is at this moment to a new file, mode 0600. Raises StoreError."""
    if target.exists():
        raise StoreError(f"{target} exists; give a path where nothing is")
    part = target.with_name(target.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with cursor:
            [(name,)] = cursor.execute("SELECT current_database()").fetchall()
            cursor.execute(f"ATTACH {_quoted(str(part), chr(39))} AS askfirst_copy")
            cursor.execute(f"COPY FROM DATABASE {_quoted(name, chr(34))} TO askfirst_copy")
            cursor.execute("DETACH askfirst_copy")
        part.chmod(0o600)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error.strerror}") from error
    except duckdb.Error as error:
        raise StoreError(f"{target} cannot be written: {connecting.one_line(error)}") from error


def _events(tool: str, rows: list[Any]) -> Events:
    result = Events(tool)
    for high, low, moment, installation, version, command, application, environment, rest in rows:
        result.id.append(high.to_bytes(8, "big", signed=True) + low.to_bytes(8, "big", signed=True))
        result.timestamp.append(moment)
        result.received.append(moment)
        result.installation.append(installation)
        result.version.append(version)
        result.command.append(command)
        fields: dict[str, str | bool] = msgspec.json.decode(rest) if rest else {}
        if application is not None:
            fields[APPLICATION] = application
        if environment is not None:
            fields[ENVIRONMENT] = environment
        result.fields.append(fields)
    return result


def _quoted(text: str, quote: str) -> str:
    return quote + text.replace(quote, quote * 2) + quote
