"""A store that holds events already, and copies of it: what a burst adds must not slow the next."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STORE = "store.duckdb"  # the file of each collector in the bench
A_YEAR = 222  # events of a simulated installation, and a few more or less
MAGIC, MAGIC_AT = b"DUCK", 8  # of DuckDB's file format
PARTS = ("", ".wal", "-seen")  # what a store is made of


@contextmanager
def filled(contract: str, events: int, folder: Path | None) -> Iterator[Path]:
    """Have a folder with a store: a copy of the one in `folder`, or one with about so many events
    of a simulated year. What is past its retention is gone: a collector does that when it starts,
    which would take processor time from what is measured.
    """
    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
        if folder is None:
            _fill(Path(name), contract, events)
        else:
            copy(folder, Path(name))
        _askfirst(Path(name), "store", "retain", "--store", STORE)
        yield Path(name)


def copy(source: Path, target: Path) -> int:
    """Copy the one store in `source` into `target`, as STORE; return how many events it holds."""
    stores = [path.name for path in source.iterdir() if path.is_file() and _is_store(path)]
    if len(stores) != 1:
        sys.exit(f"{source} has to hold one store, and not {len(stores)}")
    for part in PARTS:
        original = source / (stores[0] + part)
        if original.is_dir():
            shutil.copytree(original, target / (STORE + part))
        elif original.exists():
            shutil.copyfile(original, target / (STORE + part))
    return _count(target / STORE)


def _fill(folder: Path, contract: str, events: int) -> None:
    (folder / "telemetry.toml").write_text(contract)
    people = str(max(1, events // A_YEAR))
    _askfirst(
        folder, "simulate", "--contract", "telemetry.toml", "--store", STORE, "--installations",
        people, "--days", "365", "--seed", "1",
    )  # fmt: skip


def _askfirst(folder: Path, *words: str) -> None:
    environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}
    subprocess.run(
        [sys.executable, "-m", "askfirst", *words],
        cwd=folder, env=environ, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _is_store(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC) + MAGIC_AT)[MAGIC_AT:] == MAGIC


def _count(store: Path) -> int:
    import duckdb

    with duckdb.connect(str(store), read_only=True) as opened:
        [[events]] = opened.execute("SELECT count(*) FROM events").fetchall()
    return int(events)
