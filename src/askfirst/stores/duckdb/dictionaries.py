"""Texts and hashes -> the integer keys that stand for them in an event's row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from askfirst.stores.base import HASH_BYTES
from askfirst.stores.duckdb import sql
from askfirst.stores.duckdb.keys import KeyColumn, Keys, hashes, joined

# Installations and sayings remembered, at 12 bytes each. The memory is emptied when it is full, and
# fills again from the tables.
MOST_REMEMBERED = 2_000_000

NAMES, INSTALLATIONS, SAYINGS = range(3)  # what keys are counted by
SAID = ("application", "environment", "context")  # what an installation may say of itself
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
        self._last: list[int] = []  # the highest key of names, installations, sayings
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
        coded = pa.array(column, pa.string()).dictionary_encode()
        distinct: list[str] = coded.dictionary.to_pylist()
        new = [name for name in distinct if name not in known]
        if new:
            known.update(zip(new, self._next(NAMES, len(new)).tolist(), strict=True))
            keys = [known[name] for name in new]
            self._insert(f"add_{what}s", {"key": keys, "tool": [tool] * len(new), "value": new})
        of_code: KeyColumn = np.array([known[name] for name in distinct], np.int32)
        keys: KeyColumn = of_code[coded.indices.to_numpy()]
        return keys

    def people(self, tool: int, raw: bytes | bytearray) -> KeyColumn:
        """Return the key of each installation of a tool, new ones included.

        What those that are not new have said is remembered from then on. `raw` holds their hashes,
        32 bytes each.
        """
        self._begin()
        column = np.frombuffer(raw, f"V{HASH_BYTES}")
        prints = joined(hashes(column.tolist()), [tool])
        wanted, first, place = np.unique(prints, return_index=True, return_inverse=True)
        keys = self._people.find(wanted)
        if self._is_full(int(np.count_nonzero(keys == 0))):
            self._forget_people()
            keys = np.zeros(len(wanted), np.int32)
        missing = np.flatnonzero(keys == 0)
        if len(missing):
            found = self._found(tool, column[first[missing]])
            new = np.flatnonzero(found == 0)
            found[new] = self._next(INSTALLATIONS, len(new))
            self._people.add(wanted[missing], found)
            keys[missing] = found
            if len(new):
                added = {
                    "key": found[new],
                    "tool": np.full(len(new), tool, np.int16),
                    "hash": _binary(column[first[missing[new]]]),
                }
                self._insert("add_installations", added)
        result: KeyColumn = keys[place]
        return result

    def sayings(self, which: int, people: KeyColumn, texts: Sequence[str]) -> KeyColumn:
        """Return the key of what each of some people says, new ones included.

        `which` is an index of SAID. The keys of people have come from `people`, or are NOBODY.
        """
        self._begin()
        prints = joined(hashes(texts), people.astype(np.int64) * len(SAID) + which)
        wanted, first, place = np.unique(prints, return_index=True, return_inverse=True)
        keys = self._said.find(wanted)
        missing = np.flatnonzero(keys == 0)
        if len(missing):
            keys[missing] = self._next(SAYINGS, len(missing))
            self._said.add(wanted[missing], keys[missing])
            added = {
                "key": keys[missing],
                "installation": people[first[missing]],
                "field": [SAID[which]] * len(missing),
                "value": [texts[row] for row in first[missing].tolist()],
            }
            self._insert("add_sayings", added)
        result: KeyColumn = keys[place]
        return result

    def _forget_people(self) -> None:
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

    def _select(self, name: str, sought: Mapping[str, object]) -> dict[str, npt.NDArray[Any]]:
        self._connection.register("sought", pa.table(sought))
        found = self._connection.execute(sql.statement(name)).fetchnumpy()
        self._connection.unregister("sought")
        return {column: np.ma.getdata(values) for column, values in found.items()}

    def _insert(self, name: str, added: Mapping[str, object]) -> None:
        self._connection.register("added", pa.table(added))
        self._connection.execute(sql.statement(name))
        self._connection.unregister("added")


def _binary(column: npt.NDArray[np.void]) -> pa.Array:
    data = pa.py_buffer(np.ascontiguousarray(column).tobytes())
    fixed = pa.Array.from_buffers(pa.binary(HASH_BYTES), len(column), [None, data])
    return fixed.cast(pa.binary())
