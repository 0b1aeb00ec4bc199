"""Opens a DuckDB file: settings, the lock, migrations, and what may be wrong with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from askfirst import __version__
from askfirst.stores.base import StoreError, StoreHeldError
from askfirst.stores.duckdb import memory, sql

# Checkpointing four times as seldom as by default loads a fifth faster and takes less space;
# the price is up to a second more at the next start after a crash.
CHECKPOINT_EVERY = "64MiB"

# Nothing is fetched, nothing outside the file is read, nothing is kept in the home directory.
QUIET = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
}


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file at `path`, making or migrating it. Raises StoreError or StoreHeldError.

    What a process that was killed left beside it is deleted.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # the default one keeps 40 MB more
    new = not path.exists()
    config: dict[str, str | bool | int | float | list[str]] = {
        **QUIET,
        "checkpoint_threshold": CHECKPOINT_EVERY,
    }
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), config=config)
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be made: {error.strerror}") from error
    except duckdb.Error as error:
        failure = _why_not(path, error)
        if new and not isinstance(failure, StoreHeldError):
            path.unlink(missing_ok=True)  # half a file, on a full disk: no store, now or later
        raise failure from error
    try:
        if new:
            path.chmod(0o600)
        remove_parts(part_of(path))
        shutil.rmtree(_spilled(path), ignore_errors=True)  # nothing of this process is there yet
        _migrate(connection, path)
        _settle(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, duckdb.Error):
            raise _why_not(path, error) from error
        raise
    return connection


def arrow(
    cursor: duckdb.DuckDBPyConnection,
    text: str,
    parameters: Mapping[str, object],
    columns: Sequence[str] = (),
) -> pa.RecordBatchReader:
    """Run a question and return its rows, or some columns of them, in batches, as they come."""
    found = cursor.sql(text, params=dict(parameters))
    if columns:
        found = found.select(*columns)
    return pa.RecordBatchReader.from_stream(found)


def part_of(path: Path) -> Path:
    """Return where a store's file is written anew, before it takes the place of the old one."""
    return path.with_name(path.name + ".part")


def remove_parts(path: Path) -> None:
    """Delete a file of DuckDB that nobody holds, and what belongs to it."""
    path.unlink(missing_ok=True)
    wal_of(path).unlink(missing_ok=True)


def wal_of(path: Path) -> Path:
    """Return where DuckDB writes ahead what is not yet in the file."""
    return path.with_name(path.name + ".wal")


def sync(path: Path) -> None:
    """Have a file or folder on disk. Not for a file of DuckDB that is open: see DuckDBStore."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def quoted(text: str, quote: str) -> str:
    """Return a text in quotes, for SQL that takes no parameters."""
    return quote + text.replace(quote, quote * 2) + quote


def one_line(error: Exception) -> str:
    """Return the first line of what DuckDB says, without the name of the kind of error."""
    first = str(error).strip().partition("\n")[0]
    return first.partition("Error: ")[2] or first


def _spilled(path: Path) -> Path:
    """Return the folder where DuckDB puts what does not fit into memory."""
    return path.with_name(path.name + ".tmp")


def _why_not(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error)
    if "Could not set lock" in text or "lock is held" in text or "being used by another" in text:
        return StoreHeldError(f"another process holds the store {path}; ask it, or stop it first")
    if "not a valid DuckDB database" in text:
        return StoreError(f"{path} is not a store of askfirst; give another path")
    return StoreError(f"{path} cannot be opened as a store: {one_line(error)}")


def _settle(connection: duckdb.DuckDBPyConnection) -> None:
    """Lock the settings, but for the memory."""
    try:
        connection.execute("SET allowed_configs = ['memory_limit']")
        connection.execute(memory.setting(memory.LOADING))
    except duckdb.CatalogException:  # DuckDB 1.x cannot tell one setting from another
        connection.execute(memory.setting(memory.ASKING))
    connection.execute("SET lock_configuration = true")


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring the tables up to date in one transaction, and record which askfirst did it."""
    tables = {str(row[0]) for row in connection.execute("SHOW TABLES").fetchall()}
    done = 0
    if "migrations" in tables:
        rows = connection.execute(
            "SELECT number, askfirst FROM migrations ORDER BY number DESC LIMIT 1"
        ).fetchall()
        done, by = rows[0] if rows else (0, "")
        if done > max(number for number, _, _ in sql.migrations()):
            raise StoreError(
                f"{path} was made by askfirst {by}, this is {__version__}; upgrade askfirst"
            )
    elif tables:
        raise StoreError(f"{path} is a DuckDB file, but not a store of askfirst; give another path")
    pending = [row for row in sql.migrations() if row[0] > done]
    if not pending:
        return
    connection.execute("BEGIN")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations"
        " (number INTEGER PRIMARY KEY, name VARCHAR NOT NULL, askfirst VARCHAR NOT NULL)"
    )
    for number, name, text in pending:
        connection.execute(text)
        connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", [number, name, __version__])
    connection.execute("COMMIT")
