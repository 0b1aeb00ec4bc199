"""Answers questions: from SQL, or from bits where that is quicker; and remembers the answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import duckdb
import numpy as np

from askfirst.stores.base import DAY_MS
from askfirst.stores.duckdb import adoption, bits, connecting, sampling, sql, window
from askfirst.stores.duckdb.bits import Bits, Rows

CHUNKS = 32  # of installations looked at together: with 400 days 26 MB
MONTH_MS = 28 * DAY_MS  # as in spans; see migrations/0003_sealed.sql
MOST_EVENTS = 6_000_000  # of 28 days, looked at together: 150 MB
MOST_CELLS = 1 << 22  # of installations and releases, looked at together: 100 MB
FOREVER = 1 << 40  # days
MOST = 64  # answers remembered, of a few KB each but for the one of `updates`, 20 MB
UNCACHED = frozenset({"quality"})  # counted by day of arrival; and quick

Cursor = duckdb.DuckDBPyConnection
Key = tuple[Any, ...]
Asked: TypeAlias = Mapping[str, Any]  # a question's parameters
Answers: TypeAlias = dict[str, Rows]  # by the names of the questions


@dataclass(frozen=True, slots=True)
class Kept:
    """The bits of a tool, right up to the day `until`."""

    tool: str
    until: int
    bits: Bits


class Memory:
    """Answers, and the bits of one tool, as long as no load could have changed them.

    For any number of threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Key, Rows] = {}
        self._kept: Kept | None = None
        self._changes = 0

    def forget(self, tool: str | None = None, since: int = 0) -> None:
        """Forget all answers, or those about a tool as of the day `since` or later."""
        with self._lock:
            self._changes += 1
            if tool is None:
                self._answers.clear()
                self._kept = None
            if self._kept and self._kept.tool == tool:
                self._kept = replace(self._kept, until=min(self._kept.until, since - 1))
            for key in [k for k in self._answers if k[1] == tool and k[2] >= since]:
                del self._answers[key]

    def ask(self, name: str, parameters: Mapping[str, Any], find: Callable[[], Answers]) -> Rows:
        """Return what is remembered, or what `find` finds; what else it finds is remembered too."""
        key = _key(name, parameters)
        with self._lock:
            known = self._answers.get(key)
            before = self._changes
        if known is not None:
            return known
        found = find()
        with self._lock:
            if before == self._changes:
                for other, rows in found.items():
                    self._remember(_key(other, parameters), rows)
        return found[name]

    def _remember(self, key: Key, rows: Rows) -> None:
        if key[0] == "updates":  # one of them is as large as all others
            for other in [k for k in self._answers if k[0] == "updates"]:
                del self._answers[other]
        while len(self._answers) >= MOST:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = rows

    def bits(self, tool: str, as_of: int, find: Callable[[], Iterator[Bits]]) -> Iterator[Bits]:
        """Yield what is remembered, or what `find` finds, which is remembered if it is all in one
        part.
        """
        with self._lock:
            kept = self._kept
            before = self._changes
        if kept and kept.tool == tool and as_of <= kept.until:
            yield kept.bits
            return
        parts = find()
        first, second = next(parts, None), next(parts, None)
        if first and not second:
            with self._lock:
                if before == self._changes:
                    self._kept = Kept(tool, FOREVER, first)
        yield from (part for part in (first, second) if part)
        yield from parts


def answer(cursor: Cursor, memory: Memory, name: str, parameters: Asked) -> Answers:
    """Answer a question, and those that are answered on the way, by their names.

    Raises StoreError if no question has that name, duckdb.Error.
    """
    text = "" if name in COMPUTED else sql.question(name)
    cursor.execute("BEGIN")  # one moment, for questions that take several statements
    try:
        sampling.narrow(cursor, parameters["tool"])
        if text:
            return {name: cursor.execute(text, dict(parameters)).fetchall()}
        return COMPUTED[name](cursor, memory, parameters)
    finally:
        cursor.execute("ROLLBACK")


def _activity(cursor: Cursor, memory: Memory, asked: Asked) -> Answers:
    return {"activity": bits.activity(_bits(cursor, memory, asked), asked["as_of"])}


def _active_days(cursor: Cursor, memory: Memory, asked: Asked) -> Answers:
    parts = _bits(cursor, memory, asked)
    return {"active_days": bits.active_days(parts, asked["first"], asked["as_of"])}


def _retention(cursor: Cursor, memory: Memory, asked: Asked) -> Answers:
    return {"retention": bits.retention(_bits(cursor, memory, asked), asked["as_of"])}


def _applications(cursor: Cursor, _memory: Memory, asked: Asked) -> Answers:
    return window.applications(_window(cursor, asked, "installation", "application", "day"))


def _environments(cursor: Cursor, _memory: Memory, asked: Asked) -> Answers:
    return window.environments(_window(cursor, asked, "installation", "application", "environment"))


def _commands(cursor: Cursor, _memory: Memory, asked: Asked) -> Answers:
    parts = _window(cursor, asked, "installation", "command", "version", "day")
    names, versions = (_named(cursor, asked, what) for what in ("command", "version"))
    return window.commands(parts, names, versions)


def _updates(cursor: Cursor, _memory: Memory, asked: Asked) -> Answers:
    """Return lists of durations as arrays: there are up to a million of them."""
    rank_of = dict(zip(asked["versions"], asked["ranks"], strict=True))
    named = _named(cursor, asked, "version")
    of_version = {key: rank_of[value] for key, value in named.items() if value in rank_of}
    parts = _spans(cursor, asked, max(asked["ranks"], default=0) + 1)
    return {"updates": adoption.updates(parts, asked["ranks"], asked["instants"], of_version)}


COMPUTED: Mapping[str, Callable[[Cursor, Memory, Asked], Answers]] = {
    "activity": _activity,
    "active_days": _active_days,
    "retention": _retention,
    "updates": _updates,
    "applications": _applications,
    "side_by_side": _applications,
    "environments_per_application": _environments,
    "environments_per_installation": _environments,
    "commands": _commands,
}


def _key_of(cursor: Cursor, asked: Asked) -> int:
    """Return the key of the tool asked about, 0 if there is none.

    Asked for first, because what is compared with a subquery is not looked up in the least and
    greatest values of blocks.
    """
    found = cursor.execute(sql.question("tool"), {"tool": asked["tool"]}).fetchall()
    return int(found[0][0]) if found else 0


def _named(cursor: Cursor, asked: Asked, what: str) -> dict[int, str]:
    """Return what the keys of a tool's commands or versions stand for."""
    rows = cursor.execute(sql.question("named"), {"key": _key_of(cursor, asked)}).fetchall()
    return {key: value for kind, key, value in rows if kind == what}


def _window(cursor: Cursor, asked: Asked, *columns: str) -> Iterator[window.Columns]:
    """Read columns of the events of 28 days, those of some installations at a time."""
    about = {"key": _key_of(cursor, asked), "as_of": asked["as_of"]}
    [(size, low, high)] = cursor.execute(sql.question("window_size"), about).fetchall()
    step = (high - low) // (size // MOST_EVENTS + 1) + 1
    for start in range(low, high + 1, step) if size else ():
        limits = {**about, "low": start, "high": start + step - 1}
        table = connecting.arrow(cursor, sql.question("window"), limits, columns).read_all()
        yield {name: bits.numbers(table[name], np.int32) for name in columns}


def _spans(cursor: Cursor, asked: Asked, width: int) -> Iterator[adoption.Columns]:
    """Read first and last moments, those of so many installations at a time that an array of them
    and `width` releases is not too large.
    """
    about = {"key": _key_of(cursor, asked)}
    [(last, low, high)] = cursor.execute(sql.question("spans_size"), about).fetchall()
    end = (asked["as_of"] + 1) * DAY_MS
    month = end // MONTH_MS
    if last is None or last < end:
        month += 1  # everything that is summed up counts
    step = MOST_CELLS // width
    kinds = {"installation": np.int32, "version": np.int32, "first": np.int64, "last": np.int64}
    for start in range(low, high + 1, step):
        limits = {"low": start, "high": start + step - 1, "month": month, "as_of": asked["as_of"]}
        found = connecting.arrow(cursor, sql.question("spans"), {**about, **limits}).read_all()
        yield {name: bits.numbers(found[name], kind) for name, kind in kinds.items()}


def _bits(cursor: Cursor, memory: Memory, asked: Asked) -> Iterator[Bits]:
    return memory.bits(asked["tool"], asked["as_of"], lambda: _read_bits(cursor, asked))


def _read_bits(cursor: Cursor, asked: Asked) -> Iterator[Bits]:
    """Read who was active when, some chunks of installations at a time."""
    about = {"key": _key_of(cursor, asked)}
    chunks = [chunk for (chunk,) in cursor.execute(sql.question("chunks"), about).fetchall()]
    for start in range(0, len(chunks), CHUNKS):
        some = chunks[start : start + CHUNKS]
        limits = {**about, "low": some[0], "high": some[-1]}
        yield Bits.of(connecting.arrow(cursor, sql.question("days"), limits).read_all())


def _key(name: str, parameters: Mapping[str, Any]) -> Key:
    rest = (tuple(v) if isinstance(v, list) else v for k, v in sorted(parameters.items()))
    return (name, parameters["tool"], parameters["as_of"], *rest)
