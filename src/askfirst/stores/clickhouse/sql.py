"""Reads this engine's .sql files."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from askfirst.stores.base import StoreError

MARK = "each_shard("
_NAME = re.compile(r"[a-z_]+")


@functools.cache
def statement(name: str) -> str:
    """Return the text of `statements/<name>.sql`."""
    return _folder("statements").joinpath(f"{name}.sql").read_text(encoding="utf-8")


@functools.cache
def question(name: str) -> str:
    """Return the text of `questions/<name>.sql`. Raises StoreError if there is none."""
    file = _folder("questions").joinpath(f"{name}.sql")
    if not _NAME.fullmatch(name) or not file.is_file():
        raise StoreError(f"the clickhouse engine has no question {name!r}")
    return file.read_text(encoding="utf-8")


@functools.cache
def migrations() -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Return (number, name, statements) of every migration, in the order they are to run."""
    files = [f for f in _folder("migrations").iterdir() if f.name.endswith(".sql")]
    rows = [(f.name[:-4], f.read_text(encoding="utf-8")) for f in files]
    return tuple(sorted((int(name[:4]), name, tuple(text.split(";\n\n"))) for name, text in rows))


def on_shards(text: str, around: tuple[str, str]) -> str:
    """Return a question with the statement in `each_shard(…)` put between two texts.

    It holds for the installations of one shard, and what it gives of several can be added up.
    """
    before, mark, rest = text.partition(MARK)
    if not mark:
        return text
    depth = 1
    for at, letter in enumerate(rest):  # no text in these files has a bracket in it
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return f"{before}{around[0]}{rest[:at]}{around[1]}{rest[at + 1 :]}"
    raise AssertionError("a bracket is not closed")


def _folder(name: str) -> Path:
    return Path(__file__).parent / name
