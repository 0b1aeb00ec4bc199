"""Columns of events <-> the Arrow tables that go to a server and come back."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from askfirst.stores.base import (
    DAY_MS,
    DUPLICATE,
    HASH_BYTES,
    LATE,
    LATE_AFTER_MS,
    SKEW_MS,
    SKEWED,
    STORED,
    Counts,
    Events,
)

APPLICATION, ENVIRONMENT = "application.name", "application.env"
CLOCKS_MS = 60_000  # by which the clocks of collectors that share a store may differ
KEYS = ("timestamp", "id_high", "id_low")  # what tells the events of a tool apart
Mask = npt.NDArray[np.bool_]
Column: TypeAlias = Sequence[Any]

_context = msgspec.json.Encoder(order="deterministic")


@dataclass(slots=True)
class Batch:
    """The events of one tool in one load; `keys` has the columns of KEYS."""

    events: Events
    keys: pa.Table
    packed: npt.NDArray[np.void]  # the three keys of an event as one value

    @classmethod
    def of(cls, events: Events) -> Batch:
        """Make ready what tells events apart. Raises ValueError if columns differ in length."""
        events.check()
        timestamp = np.frombuffer(events.timestamp, np.int64)
        halves = np.frombuffer(events.id, ">u8").astype(np.uint64).reshape(-1, 2)
        keys = pa.table([timestamp, halves[:, 0], halves[:, 1]], list(KEYS))
        return cls(events, keys, packed(keys))

    def first(self) -> Mask:
        """Tell for each event whether it is the first of its key in this load."""
        mask = np.zeros(len(self.packed), bool)
        mask[np.unique(self.packed, return_index=True)[1]] = True
        return mask

    def rows(self, kept: Mask, origin: int) -> pa.Table:
        """Return the kept events as rows of `events`."""
        events = self.events
        size = len(events)
        hashes = [None, pa.py_buffer(bytes(events.installation))]
        fields: dict[str, Column] = {**events.fields}
        columns = {
            "tool": _same(pa.array([events.tool]), size),
            "installation": pa.FixedSizeBinaryArray.from_buffers(
                pa.binary(HASH_BYTES), size, hashes
            ),
            **{name: self.keys[name] for name in KEYS},
            "version": pa.array(events.version, pa.string()),
            "command": pa.array(events.command, pa.string()),
            "application": _named(fields, APPLICATION, size),
            "environment": _named(fields, ENVIRONMENT, size),
            "context": _contexts(fields, size),
            "origin": _same(pa.array([origin], pa.uint64()), size),
        }
        table = pa.table(columns)
        return table if kept.all() else table.filter(pa.array(kept))

    def erased(self, moments: Mapping[bytes, int]) -> Mask:
        """Tell for each event whether it was received before its installation was erased.

        `moments` has when each was, in ms UTC.
        """
        if not moments:
            return np.zeros(len(self.packed), bool)
        until = [moments.get(who, -(2**62)) for who in self.events.installations()]
        return np.frombuffer(self.events.received, np.int64) <= np.array(until) + CLOCKS_MS

    def who(self, mask: Mask) -> set[bytes]:
        """Return the installations of some of the events."""
        installations = self.events.installations()
        return {installations[at] for at in np.flatnonzero(mask)}

    def counts(self, kept: Mask, erased: Mask) -> Counts:
        """Count what was stored, duplicate, late and clock-skewed, by day of arrival.

        A duplicate is counted as nothing else: it was late or skewed once, when it was stored. What
        is left out because it was erased is not counted.
        """
        received = np.frombuffer(self.events.received, np.int64)
        age = received - np.frombuffer(self.events.timestamp, np.int64)
        kinds = {
            STORED: kept,
            DUPLICATE: ~kept & ~erased,
            LATE: kept & (age > LATE_AFTER_MS),
            SKEWED: kept & (-age > SKEW_MS),
        }
        days = received // DAY_MS
        counts: Counter[tuple[str, int, str]] = Counter()
        for kind, mask in kinds.items():
            for day, n in zip(*np.unique(days[mask], return_counts=True), strict=True):
                counts[self.events.tool, int(day), kind] += int(n)
        return counts


def together(parts: Iterable[Events]) -> list[Events]:
    """Lay parts of one tool end to end, in the order they came. Raises ValueError as `extend`."""
    by_tool: dict[str, list[Events]] = {}
    for part in parts:
        part.check()
        if len(part):
            by_tool.setdefault(part.tool, []).append(part)
    joined = []
    for tool, same in by_tool.items():
        one = same[0]
        if len(same) > 1:
            one = Events(tool)
            for part in same:
                one.extend(part)
        joined.append(one)
    return joined


def packed(keys: pa.Table) -> npt.NDArray[np.void]:
    """Return the keys of each row as one value that can be compared."""
    columns = [keys[name].to_numpy().astype(np.uint64) for name in KEYS]
    return np.ascontiguousarray(np.stack(columns, axis=1)).view("V24").reshape(-1)


def events(tool: str, table: pa.Table) -> Events:
    """Return the rows of `statements/everything.sql` as events."""
    halves = np.stack([table["id_high"].to_numpy(), table["id_low"].to_numpy()], axis=1)
    moments = array("q", table["timestamp"].to_numpy().tobytes())
    made = Events(tool, bytearray(halves.astype(">u8").tobytes()), moments, moments[:])
    made.installation += b"".join(table["installation"].to_pylist())
    made.version = table["version"].to_pylist()
    made.command = table["command"].to_pylist()
    made.fields = {**_fields(table)}
    return made


def _same(value: pa.Array, size: int) -> pa.Array:
    return value.take(pa.array(np.zeros(size, np.int64)))


def _named(fields: dict[str, Column], name: str, size: int) -> pa.Array:
    """Take a field of texts out; a flag is no name: it stays."""
    column = fields.pop(name, None)
    if column is None:
        return pa.nulls(size, pa.string())
    if bool in set(map(type, column)):
        fields[name] = [value if isinstance(value, bool) else None for value in column]
        column = [None if isinstance(value, bool) else value for value in column]
    return pa.array(column, pa.string())


def _contexts(fields: Mapping[str, Column], size: int) -> pa.Array:
    """Return the JSON of each event's other fields, '' where it has none."""
    if not fields:
        return _same(pa.array([""]), size)
    names = list(fields)
    texts: dict[tuple[Any, ...], str] = {}
    column = []
    for row in zip(*fields.values(), strict=True):
        text = texts.get(row)
        if text is None:
            said = {n: value for n, value in zip(names, row, strict=True) if value is not None}
            text = texts[row] = _context.encode(said).decode() if said else ""
        column.append(text)
    return pa.array(column, pa.string())


def _fields(table: pa.Table) -> dict[str, list[Any]]:
    """Return a column for each field that any of the rows has."""
    context = table["context"].combine_chunks().dictionary_encode()
    decoded = [msgspec.json.decode(text) if text else {} for text in context.dictionary.to_pylist()]
    of_row = [decoded[code] for code in context.indices.to_pylist()]
    names = dict.fromkeys(name for fields in decoded for name in fields)
    columns: dict[str, list[Any]] = {name: [row.get(name) for row in of_row] for name in names}
    for name, column in ((APPLICATION, "application"), (ENVIRONMENT, "environment")):
        texts = table[column].to_pylist()
        if name in columns:  # a flag of that name
            flags = columns[name]
            texts = [texts[row] if flag is None else flag for row, flag in enumerate(flags)]
        if any(text is not None for text in texts):
            columns[name] = texts
    return columns
