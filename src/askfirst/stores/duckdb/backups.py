"""The backups kept beside a store: `<store>-backups/*.duckdb`, whose names sort by their age.

What is forgotten in the store is forgotten in them too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from askfirst.stores.base import StoreError, StoreStoppedError
from askfirst.stores.duckdb import connecting
from askfirst.stores.duckdb.seen import SUFFIX

ENDING = ".duckdb"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An installation (32 bytes) of a tool, or all before a moment (ms UTC), is to be scrubbed;
    `here` is false once only backups may still hold it. Later ones have a higher `number`.
    """

    tool: str
    installation: bytes | None
    before: int | None
    here: bool
    number: int


def folder_of(store: Path) -> Path:
    """Return the folder of a store's backups."""
    return store.with_name(store.name + "-backups")


def files(store: Path) -> list[Path]:
    """Return the backups of a store, the oldest first."""
    return sorted(folder_of(store).glob(f"*{ENDING}"))


def remove(backup: Path) -> None:
    """Delete a backup, and what was made beside it when it was opened."""
    if backup.is_symlink():  # nobody would erase from the file it leads to any more
        connecting.remove_parts(backup.resolve())
    connecting.remove_parts(backup)
    shutil.rmtree(backup.with_name(backup.name + SUFFIX), ignore_errors=True)


def remove_parts(store: Path) -> None:
    """Delete what a process left that was killed while it made a backup."""
    for left in folder_of(store).glob("*.part*"):
        left.unlink(missing_ok=True)


def scrub(store: Path, due: Sequence[Forgotten], stopped: Callable[[], bool]) -> list[str]:
    """Forget in every backup what the store has forgotten; say which could not be dealt with.

    Raises StoreStoppedError.
    """
    remove_parts(store)
    problems = []
    for path in files(store):
        if not path.exists():  # somebody deleted it meanwhile; to open it would make an empty one
            continue
        try:
            _scrub(path.resolve(), due, stopped)
        except StoreStoppedError:
            raise
        except StoreError as error:
            problems.append(f"{error}; delete this backup, or what was erased stays in it")
    return problems


def _scrub(path: Path, due: Sequence[Forgotten], stopped: Callable[[], bool]) -> None:
    from askfirst.stores.duckdb.store import DuckDBStore

    opened = DuckDBStore(path)
    try:
        for row in due:
            if stopped():
                raise StoreStoppedError(f"{path} is scrubbed later")
            if row.installation is not None:
                opened.erase(row.tool, row.installation)
            if row.before is not None:
                opened.retain(row.tool, row.before)
        opened.scrub(stopped)
    finally:
        opened.close()
