"""Reads this engine's .sql files."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from askfirst.stores.base import StoreError

_NAME = re.compile(r"[a-z_]+")


@functools.cache
def statement(name: str) -> str:
    """Return the text of `statements/<name>.sql`."""
    return _folder("statements").joinpath(f"{name}.sql").read_text(encoding="utf-8")


@functools.cache
def script(name: str) -> tuple[str, ...]:
    """Return the statements of `statements/<name>.sql`, which holds several."""
    return tuple(statement(name).split(";\n"))


@functools.cache
def question(name: str) -> str:
    """Return the text of `questions/<name>.sql`. Raises StoreError if there is none."""
    file = _folder("questions").joinpath(f"{name}.sql")
    if not _NAME.fullmatch(name) or not file.is_file():
        raise StoreError(f"the embedded engine has no question {name!r}")
    return file.read_text(encoding="utf-8")


@functools.cache
def migrations() -> tuple[tuple[int, str, str], ...]:
    """Return (number, name, text) of every migration, in the order they are to run."""
    files = [f for f in _folder("migrations").iterdir() if f.name.endswith(".sql")]
    return tuple(
        sorted((int(f.name[:4]), f.name[:-4], f.read_text(encoding="utf-8")) for f in files)
    )


def _folder(name: str) -> Path:
    return Path(__file__).parent / name
