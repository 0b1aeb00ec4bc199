"""Texts and hashes -> the integer keys that stand for them in an event's row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from askfirst.stores.base import HASH_BYTES
from askfirst.stores.duckdb import sql
from askfirst.stores.duckdb.keys import (
    KeyColumn,
    Keys,
    coded,
    hashes,
    hashes_of_bytes,
    joined,
)
from askfirst.stores.duckdb.runs import Prints

# Installations and sayings remembered, at 20 to 40 bytes each. The memory is emptied when full,
# and fills again from the tables.
MOST_REMEMBERED = 2_000_000

NAMES, INSTALLATIONS, CONTEXTS = range(3)  # what keys are counted by
SAID = ("application", "environment", "context")  # what an installation may say of itself
CONTEXT = SAID.index("context")
NOBODY = 0  # the installation of a saying that says nothing about any one in particular


class Dictionaries:
    """Remembers keys, and writes new ones through the connection of the transaction it is used in.

    After a transaction that was rolled back, and after rows were deleted, call `forget`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self.forget()

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Work through another connection, to the same tables, from now on."""
        self._connection = connection

    def forget(self) -> None:
        """Empty the memory; what is asked for next is read from the tables."""
        self._tools: dict[str, int] = {}
        self._names: dict[tuple[str, int], dict[str, int]] = {}  # by field and tool
        self._last: list[int] = []  # the highest key of names, installations, contexts
        self._forget_people()

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

    def names(self, what: str, tool: int, column: Sequence[str]) -> KeyColumn:
        """Return the key of each version or command of a tool, new ones included.

        `what` is "version" or "command".
        """
        self._begin()
        known = self._names.setdefault((what, tool), {})
        codes, distinct = coded(column)
        new = [name for name in distinct if name not in known]
        if new:
            known.update(zip(new, self._next(NAMES, len(new)).tolist(), strict=True))
            keys = [known[name] for name in new]
            self._insert(f"add_{what}s", {"key": keys, "tool": [tool] * len(new), "value": new})
        of_code: KeyColumn = np.array([known[name] for name in distinct], np.int32)
        result: KeyColumn = of_code[codes]
        return result

    def people(self, tool: int, raw: bytes) -> KeyColumn:
        """Return the key of each installation of a tool, new ones included.

        What those that are not new have said is remembered from then on. `raw` holds their hashes,
        32 bytes each.
        """
        self._begin()
        prints = joined(hashes_of_bytes(raw, HASH_BYTES), [tool])
        keys = self._people.find(prints)
        rows, place, wanted = _distinct(prints, keys)
        if self._is_full(len(wanted)):
            self._forget_people()
            keys = np.zeros(len(keys), np.int32)
            rows, place, wanted = _distinct(prints, keys)
        if len(wanted):
            hashes_ = np.frombuffer(raw, f"V{HASH_BYTES}")[rows[place.first]]
            found = self._found(tool, hashes_)
            new = np.flatnonzero(found == 0)
            found[new] = self._next(INSTALLATIONS, len(new))
            self._people.add(wanted, found)
            keys[rows] = found[place.of]
            if len(new):
                tools = np.full(len(new), tool, np.int16)
                added = {"key": found[new], "tool": tools, "hash": _binary(hashes_[new])}
                self._insert("add_installations", added)
        return keys

    def sayings(self, which: int, people: KeyColumn, texts: Sequence[str]) -> KeyColumn:
        """Return the key of what each of some people says, new ones included.

        `which` is an index of SAID. The keys of people have come from `people`, or are NOBODY.
        Applications and environments are numbered for each installation, which takes a fraction of
        the space that keys of their own would.
        """
        self._begin()
        prints = joined(hashes(texts), people.astype(np.int64) * len(SAID) + which)
        keys = self._said.find(prints)
        rows, place, wanted = _distinct(prints, keys)
        if len(wanted):
            first = rows[place.first]
            new = self._new_sayings(which, people[first])
            self._said.add(wanted, new)
            keys[rows] = new[place.of]
            added = {
                "key": new,
                "installation": people[first],
                "field": [SAID[which]] * len(new),
                "value": [texts[row] for row in first.tolist()],
            }
            self._insert("add_sayings", added)
        return keys

    def _new_sayings(self, which: int, people: KeyColumn) -> KeyColumn:
        """Return a key for something new that each says."""
        if which == CONTEXT:
            return self._next(CONTEXTS, len(people))
        order = np.argsort(people, kind="stable")
        same = people[order]
        keys = np.empty(len(people), np.int32)
        keys[order] = np.arange(1, len(same) + 1) - np.searchsorted(same, same)
        keys += self._highest(which, people)[people]
        np.maximum.at(self._said_by[which], people, keys)
        return keys

    def _highest(self, which: int, people: KeyColumn) -> KeyColumn:
        """Return by installation the highest key of what it says, with room for some."""
        highest = self._said_by[which]
        more = int(people.max(initial=0)) + 1 - len(highest)
        if more > 0:
            highest = np.pad(highest, (0, more + len(highest) // 2))
            self._said_by[which] = highest
        return highest

    def _forget_people(self) -> None:
        self._said_by: list[KeyColumn] = [np.zeros(0, np.int32) for _ in SAID]
        self._people = Keys()
        self._said = Keys()
        self._knows_nobody = False

    def _is_full(self, more: int) -> bool:
        return len(self._people) + len(self._said) + more > MOST_REMEMBERED

    def _begin(self) -> None:
        if not self._last:
            row = self._connection.execute(sql.statement("last_keys")).fetchone()
            assert row is not None
            self._last = list(row)
            rows = self._connection.execute(sql.statement("find_names")).fetchall()
            for what, tool, value, key in rows:
                self._names.setdefault((what, tool), {})[value] = key
        if not self._knows_nobody:
            self._knows_nobody = True
            self._remember_sayings(np.array([NOBODY], np.int32))

    def _next(self, which: int, count: int) -> KeyColumn:
        self._last[which] += count
        return np.arange(self._last[which] - count + 1, self._last[which] + 1, dtype=np.int32)

    def _found(self, tool: int, column: npt.NDArray[np.void]) -> KeyColumn:
        """Read installations that are not in memory, and everything they have said."""
        rows = np.arange(len(column), dtype=np.int32)
        tools = np.full(len(column), tool, np.int16)
        sought = {"row": rows, "tool": tools, "hash": _binary(column)}
        found = self._select("find_installations", sought)
        keys = np.zeros(len(column), np.int32)
        keys[found["row"]] = found["key"]
        if len(found["key"]):
            self._remember_sayings(found["key"])
        return keys

    def _remember_sayings(self, people: KeyColumn) -> None:
        found = self._select("find_sayings", {"installation": people})
        texts: list[str] = found["value"].tolist()
        said = joined(
            hashes(texts), found["installation"].astype(np.int64) * len(SAID) + found["which"]
        )
        self._said.add(said, found["key"])
        for which in range(CONTEXT):
            these = found["which"] == which
            who = found["installation"][these]
            np.maximum.at(self._highest(which, who), who, found["key"][these])

    def _select(self, name: str, sought: Mapping[str, object]) -> dict[str, npt.NDArray[Any]]:
        self._connection.register("sought", pa.table(sought))
        found = self._connection.execute(sql.statement(name)).fetchnumpy()
        self._connection.unregister("sought")
        return {column: np.ma.getdata(values) for column, values in found.items()}

    def _insert(self, name: str, added: Mapping[str, object]) -> None:
        self._connection.register("added", pa.table(added))
        self._connection.execute(sql.statement(name))
        self._connection.unregister("added")


class _Place(NamedTuple):
    """Where each distinct value comes first, and which of them each row has."""

    first: npt.NDArray[np.intp]
    of: npt.NDArray[np.intp]


def _distinct(prints: Prints, keys: KeyColumn) -> tuple[npt.NDArray[np.intp], _Place, Prints]:
    """Return the rows without a key, and their distinct prints."""
    rows = np.flatnonzero(keys == 0)
    wanted, first, of = np.unique(prints[rows], return_index=True, return_inverse=True)
    return rows, _Place(first, of), wanted


def _binary(column: npt.NDArray[np.void]) -> pa.Array:
    """Return values of HASH_BYTES bytes each as Arrow has them; a cast would load 50 MB of code."""
    offsets = np.arange(len(column) + 1, dtype=np.int32) * HASH_BYTES
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(column.tobytes())]
    return pa.Array.from_buffers(pa.binary(), len(column), buffers)
