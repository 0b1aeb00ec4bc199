"""A store that holds events already, and copies of it: what a burst adds must not slow the next."""

from __future__ import annotations

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
    """Have a folder with a store: the given one, or one with about so many simulated events."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
        _fill(Path(name), contract, events)
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
    subprocess.run(
        [sys.executable, "-m", "askfirst", "simulate", "--contract", "telemetry.toml", "--store",
         STORE, "--installations", people, "--days", "365", "--seed", "1"],
        cwd=folder, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _is_store(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC) + MAGIC_AT)[MAGIC_AT:] == MAGIC


def _count(store: Path) -> int:
    import duckdb

    with duckdb.connect(str(store), read_only=True) as opened:
        [[events]] = opened.execute("SELECT count(*) FROM events").fetchall()
    return int(events)
