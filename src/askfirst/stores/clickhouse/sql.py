"""Reads this engine's .sql files."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from askfirst.stores.base import StoreError

MARK = "each_shard("
LOCAL = "local_"  # before the name of a table that is one shard's part of a cluster's
_NAME = re.compile(r"[a-z_]+")
_NAMED = re.compile(r"\bnamed\(([a-z, ]+)\)")
_TABLE = re.compile(r"((?:CREATE TABLE IF NOT EXISTS|ALTER TABLE) )(\w+)")
_ENGINE = re.compile(r"^(ENGINE = )(\w*MergeTree)(?:\((\w+)\))?", re.MULTILINE)
_EVENTS = re.compile(r"(\bFROM )events\b")
_WHERE = re.compile(r"(\bFROM events(?: FINAL)?\s+WHERE )")
_REPLICA = "'/clickhouse/tables/{database}/{shard}/{table}', '{replica}'"  # Keeper's path, macros


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
    return _NAMED.sub(_named, file.read_text(encoding="utf-8"))


@functools.cache
def migrations() -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Return (number, name, statements) of every migration, in the order they are to run."""
    files = [f for f in _folder("migrations").iterdir() if f.name.endswith(".sql")]
    rows = [(f.name[:-4], _statements(f)) for f in files]
    return tuple(sorted((int(name[:4]), name, texts) for name, texts in rows))


def on_cluster(name: str, texts: tuple[str, ...], *, replicas: bool) -> tuple[str, ...]:
    """Return the statements of a migration for a host of a cluster.

    The tables become one shard's part, `local_…`, and the cluster's own migration of the same name,
    if there is one, puts a table over all shards in their place.
    """
    engine = rf"\1Replicated\2({_REPLICA}, \3)" if replicas else r"\1\2(\3)"
    local = [
        _ENGINE.sub(engine, _TABLE.sub(rf"\1{LOCAL}\2", text)).replace(", )", ")") for text in texts
    ]
    own = _folder("migrations") / "cluster" / f"{name}.sql"
    return (*local, *(_statements(own) if own.is_file() else ()))


def sampled(text: str) -> str:
    """Return a question that sees installations below `{below}` (64 hex characters) alone."""
    return _WHERE.sub(r"\1installation < toFixedString(unhex({below:String}), 32) AND ", text)


def on_shards(text: str, cluster: str = "", database: str = "") -> str:
    """Return a question with the statement in `each_shard(…)` run on every shard of a cluster.

    It holds for the installations of one shard, and what it gives of several can be added up.
    """
    before, mark, rest = text.partition(MARK)
    if not mark:
        return text
    at = _closing(rest)
    inner, after = rest[:at], rest[at + 1 :]
    if not cluster:
        return f"{before}({inner}){after}"
    inner = _EVENTS.sub(rf"\1`{database}`.{LOCAL}events", inner)
    return f"{before}cluster('{cluster}', view({inner})){after}"


def _named(match: re.Match[str]) -> str:
    """Return the select that `named(application, environment)`, or with one of them, stands for.

    Its rows are (installation, application_key, environment_key, period, days).
    """
    columns = match[1].split(", ")
    keys = [f"{column}_key" for column in columns]
    hashed = [f"sipHash128({column}) AS {column}_key" for column in columns]
    text = _folder("questions").joinpath("inner", "named.sql").read_text(encoding="utf-8")
    text = text.replace("{columns}", ", ".join(hashed)).replace("{keys}", ", ".join(keys))
    return text.replace("{known}", " AND ".join(f"{key} IS NOT NULL" for key in keys))


def _closing(text: str) -> int:
    """Return where the bracket closes that was opened before a text."""
    depth = 1
    for at, letter in enumerate(text):  # no text in these files has a bracket in it
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return at
    raise AssertionError("a bracket is not closed")


def _statements(file: Path) -> tuple[str, ...]:
    return tuple(file.read_text(encoding="utf-8").split(";\n\n"))


def _folder(name: str) -> Path:
    return Path(__file__).parent / name
