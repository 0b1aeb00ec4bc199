"""Texts and hashes -> the integer keys that stand for them in an event's row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from askfirst.stores.duckdb import sql

# Installations remembered; about 1.5 KB each with what they have said. The memory is emptied when
# it is full, and fills again from the tables.
MOST_REMEMBERED = 100_000

NAMES, INSTALLATIONS, SAYINGS = range(3)  # what keys are counted by
SAID = ("application", "environment", "context")  # what an installation may say of itself


@dataclass(slots=True)
class Remembered:
    """An installation's key, and the keys of all texts it has ever said, a dict for each of SAID.

    Three, because an application and an environment of the same name have the same hash.
    """

    key: int
    said: tuple[dict[str, int], ...] = field(default_factory=lambda: ({}, {}, {}))


class Dictionaries:
    """Remembers keys, and writes new ones through the connection of the transaction it is used in.

    After a transaction that was rolled back, and after rows were deleted, call `forget`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Empty the memory; what is asked for next is read from the tables."""
        self._tools: dict[str, int] = {}
        self._names: dict[tuple[str, int], dict[str, int]] = {}  # by field and tool
        self._people: dict[int, dict[bytes, Remembered]] = {}  # by tool
        self._last: list[int] = []  # the highest key of names, installations, sayings
        self._new_sayings: list[tuple[int, int, str, str]] = []

    def tool(self, name: str) -> int:
        """Return the key of a tool, which it gets if it has none."""
        if not self._tools:
            rows = self._connection.execute(sql.statement("tool_keys")).fetchall()
            self._tools = dict(rows)
        if name not in self._tools:
            key = max(self._tools.values(), default=0) + 1
            self._connection.execute(sql.statement("add_tool"), {"key": key, "name": name})
            self._tools[name] = key
        return self._tools[name]

    def names(self, what: str, tool: int, wanted: Iterable[str]) -> Mapping[str, int]:
        """Return the keys of a tool's versions or commands, new ones included.

        `what` is "version" or "command".
        """
        self._begin()
        known = self._names.setdefault((what, tool), {})
        new = [name for name in set(wanted) if name not in known]
        if new:
            known.update({name: self._next(NAMES) for name in new})
            keys = [known[name] for name in new]
            self._insert(f"add_{what}s", {"key": keys, "tool": [tool] * len(new), "value": new})
        return known

    def people(self, tool: int, wanted: Iterable[bytes]) -> Mapping[bytes, Remembered]:
        """Return a tool's installations by hash with all they have said, new ones included."""
        self._begin()
        known = self._people.setdefault(tool, {})
        distinct = set(wanted)
        missing = [who for who in distinct if who not in known]
        if missing and sum(map(len, self._people.values())) + len(missing) > MOST_REMEMBERED:
            self._people = {tool: (known := {})}
            missing = list(distinct)
        if missing:
            found = self._find(tool, missing)
            known.update(found)
            new = [who for who in missing if who not in found]
            known.update({who: Remembered(self._next(INSTALLATIONS)) for who in new})
            if new:
                keys = [known[who].key for who in new]
                hashes = pa.array(new, pa.binary())
                added = {"key": keys, "tool": [tool] * len(new), "hash": hashes}
                self._insert("add_installations", added)
        return known

    def say(self, person: Remembered, which: int, text: str) -> int:
        """Give a key to what a person says for the first time; `write_sayings` writes it."""
        key = person.said[which][text] = self._next(SAYINGS)
        self._new_sayings.append((key, person.key, SAID[which], text))
        return key

    def write_sayings(self) -> None:
        """Write the sayings that `saying` has met for the first time."""
        if self._new_sayings:
            columns = zip(*self._new_sayings, strict=True)
            names = ("key", "installation", "field", "value")
            self._insert("add_sayings", dict(zip(names, columns, strict=True)))
            self._new_sayings = []

    def _begin(self) -> None:
        if not self._last:
            row = self._connection.execute(sql.statement("last_keys")).fetchone()
            assert row is not None
            self._last = list(row)
            rows = self._connection.execute(sql.statement("find_names")).fetchall()
            for what, tool, value, key in rows:
                self._names.setdefault((what, tool), {})[value] = key

    def _next(self, which: int) -> int:
        self._last[which] += 1
        return self._last[which]

    def _find(self, tool: int, missing: list[bytes]) -> dict[bytes, Remembered]:
        """Read installations that are not in memory, and everything they have said."""
        hashes = pa.array(missing, pa.binary())
        tools = pa.array([tool] * len(missing), pa.int16())
        sought = {"row": range(len(missing)), "tool": tools, "hash": hashes}
        found = {
            missing[row]: Remembered(key) for row, key in self._select("find_installations", sought)
        }
        if found:
            by_key = {person.key: person for person in found.values()}
            keys = pa.array(list(by_key), pa.int32())
            rows = self._select("find_sayings", {"installation": keys})
            for installation, what, value, key in rows:
                by_key[installation].said[SAID.index(what)][value] = key
        return found

    def _select(self, name: str, sought: Mapping[str, object]) -> list[tuple[Any, ...]]:
        self._connection.register("sought", pa.table(sought))
        rows: list[tuple[Any, ...]] = self._connection.execute(sql.statement(name)).fetchall()
        self._connection.unregister("sought")
        return rows

    def _insert(self, name: str, added: Mapping[str, object]) -> None:
        self._connection.register("added", pa.table(added))
        self._connection.execute(sql.statement(name))
        self._connection.unregister("added")
