"""The backups kept beside a store: `<store>-backups/*.duckdb`, whose names sort by their age.

What is forgotten in the store is forgotten in them too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from askfirst.stores.base import StoreError
from askfirst.stores.duckdb import connecting
from askfirst.stores.duckdb.seen import SUFFIX

ENDING = ".duckdb"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """An installation (32 bytes) of a tool, or all before a moment (ms UTC), is to be scrubbed;
    `here` is false once only backups may still hold it.
    """

    tool: str
    installation: bytes | None
    before: int | None
    here: bool


def folder_of(store: Path) -> Path:
    """Return the folder of a store's backups."""
    return store.with_name(store.name + "-backups")


def files(store: Path) -> list[Path]:
    """Return the backups of a store, the oldest first."""
    return sorted(folder_of(store).glob(f"*{ENDING}"))


def remove(backup: Path) -> None:
    """Delete a backup, and what was made beside it when it was opened."""
    connecting.remove_parts(backup)
    shutil.rmtree(backup.with_name(backup.name + SUFFIX), ignore_errors=True)


def remove_parts(store: Path) -> None:
    """Delete what a process left that was killed while it made a backup."""
    for left in folder_of(store).glob("*.part*"):
        left.unlink(missing_ok=True)


def scrub(store: Path, due: Iterable[Forgotten]) -> list[str]:
    """Forget in every backup what the store has forgotten; say which could not be dealt with."""
    from askfirst.stores.duckdb.store import DuckDBStore

    remove_parts(store)
    problems = []
    for path in files(store):
        try:
            opened = DuckDBStore(path)
            try:
                for row in due:
                    if row.installation is not None:
                        opened.erase(row.tool, row.installation)
                    if row.before is not None:
                        opened.retain(row.tool, row.before)
                opened.scrub()
            finally:
                opened.close()
        except StoreError as error:
            problems.append(f"{error}; delete this backup, or what was erased stays in it")
    return problems
