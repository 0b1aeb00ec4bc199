"""Texts and hashes -> the integer keys that stand for them in an event's row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import duckdb
import pyarrow as pa

from askfirst.stores.duckdb import sql

# Installations remembered; about 1.5 KB each with what they have said. The memory is emptied when it
# is full, and fills again from the tables.
MOST_REMEMBERED = 100_000

Name = tuple[str, int, str]  # field ("version" or "command"), the tool's key, text
Person = tuple[int, bytes]  # the tool's key, hash
Saying = tuple[str, str]  # field ("application", "environment" or "context"), text


@dataclass(slots=True)
class Remembered:
    """An installation's key, and the keys of everything that it has ever said."""

    key: int
    sayings: dict[Saying, int] = field(default_factory=dict)


class Dictionaries:
    """Remembers keys, and writes new ones through the connection of the transaction it is used in.

    After a transaction that was rolled back, and after rows were deleted, `forget` has to be called.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Empty the memory; what is asked for next is read from the tables."""
        self._tools: dict[str, int] = {}
        self._names: dict[Name, int] = {}
        self._people: dict[Person, Remembered] = {}
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

    def names(self, wanted: Iterable[Name]) -> dict[Name, int]:
        """Return the keys of versions and commands, new ones included."""
        self._begin()
        new = [name for name in set(wanted) if name not in self._names]
        for name in new:
            self._names[name] = self._next(0)
        if new:
            fields, tools, values = zip(*new, strict=True)
            keys = [self._names[name] for name in new]
            added = {"field": fields, "tool": tools, "value": values, "key": keys}
            self._insert(added, "add_versions", "add_commands")
        return self._names

    def people(self, wanted: Iterable[Person]) -> dict[Person, Remembered]:
        """Return installations with all they have said, new ones included."""
        self._begin()
        distinct = set(wanted)
        missing = [person for person in distinct if person not in self._people]
        if len(self._people) + len(missing) > MOST_REMEMBERED:
            self._people.clear()
            missing = list(distinct)
        if missing:
            found = self._find(missing)
            new = [person for person in missing if person not in found]
            for person in new:
                found[person] = Remembered(self._next(1))
            self._people.update(found)
            if new:
                tools, hashes = zip(*new, strict=True)
                added = {"key": [found[person].key for person in new], "tool": tools}
                self._insert({**added, "hash": pa.array(hashes, pa.binary())}, "add_installations")
        return self._people

    def saying(self, person: Remembered, saying: Saying) -> int:
        """Return the key of what a person said; a new one is written by `write_sayings`."""
        key = person.sayings.get(saying)
        if key is None:
            key = person.sayings[saying] = self._next(2)
            self._new_sayings.append((key, person.key, *saying))
        return key

    def write_sayings(self) -> None:
        """Write the sayings that `saying` has met for the first time."""
        if self._new_sayings:
            columns = zip(*self._new_sayings, strict=True)
            added = dict(zip(("key", "installation", "field", "value"), columns, strict=True))
            self._insert(added, "add_sayings")
            self._new_sayings = []

    def _begin(self) -> None:
        if not self._last:
            row = self._connection.execute(sql.statement("last_keys")).fetchone()
            assert row is not None
            self._last = list(row)
            for *name, key in self._connection.execute(sql.statement("find_names")).fetchall():
                self._names[tuple(name)] = key  # type: ignore[index]

    def _next(self, which: int) -> int:
        self._last[which] += 1
        return self._last[which]

    def _find(self, missing: Sequence[Person]) -> dict[Person, Remembered]:
        """Read installations that are not in memory, and everything they have said."""
        tools, hashes = zip(*missing, strict=True)
        sought = {
            "row": range(len(missing)),
            "tool": tools,
            "hash": pa.array(hashes, pa.binary()),
        }
        rows = self._select("find_installations", sought)
        found = {missing[row]: Remembered(key) for row, key in rows}
        if found:
            by_key = {person.key: person for person in found.values()}
            said = self._select("find_sayings", {"installation": list(by_key)})
            for installation, field_name, value, key in said:
                by_key[installation].sayings[field_name, value] = key
        return found

    def _select(self, name: str, sought: dict[str, object]) -> list[tuple[int, ...]]:
        self._connection.register("sought", pa.table(sought))
        rows: list[tuple[int, ...]] = self._connection.execute(sql.statement(name)).fetchall()
        self._connection.unregister("sought")
        return rows

    def _insert(self, added: dict[str, object], *statements: str) -> None:
        self._connection.register("added", pa.table(added))
        for name in statements:
            self._connection.execute(sql.statement(name))
        self._connection.unregister("added")
