"""Opens a DuckDB file: settings, the lock, migrations, and what may be wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from askfirst import __version__
from askfirst.stores.base import StoreError, StoreHeldError
from askfirst.stores.duckdb import sql

MIB = 1 << 20
# Checkpointing four times as seldom as by default loads a fifth faster and takes less space;
# the price is up to a second more at the next start after a crash.
CHECKPOINT_EVERY = "64MiB"
MOST_MEMORY_MIB = 2048  # the largest question on 50 million events fits; beyond it DuckDB spills

# Nothing is fetched, nothing outside the file is read, nothing is kept in the home directory.
QUIET = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
}


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the file at `path`, making or migrating it. Raises StoreError or StoreHeldError."""
    new = not path.exists()
    config: dict[str, str | bool | int | float | list[str]] = {
        **QUIET,
        "checkpoint_threshold": CHECKPOINT_EVERY,
        "memory_limit": _memory_limit(),
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
        _migrate(connection, path)
        connection.execute("SET lock_configuration = true")
    except BaseException as error:
        connection.close()
        if isinstance(error, duckdb.Error):
            raise _why_not(path, error) from error
        raise
    return connection


def one_line(error: Exception) -> str:
    """Return the first line of what DuckDB says, without the name of the kind of error."""
    first = str(error).strip().partition("\n")[0]
    return first.partition("Error: ")[2] or first


def _why_not(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error)
    if "Could not set lock" in text or "lock is held" in text or "being used by another" in text:
        return StoreHeldError(f"another process holds the store {path}; ask it, or stop it first")
    if "not a valid DuckDB database" in text:
        return StoreError(f"{path} is not a store of askfirst; give another path")
    return StoreError(f"{path} cannot be opened as a store: {one_line(error)}")


def _memory_limit() -> str:
    """Half of the machine's memory, and not more than MOST_MEMORY_MIB."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB
    except (AttributeError, ValueError, OSError):  # Windows; a kernel that does not say
        total = 2 * MOST_MEMORY_MIB
    return f"{min(MOST_MEMORY_MIB, total // 2)}MiB"


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
