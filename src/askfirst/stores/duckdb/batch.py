"""Columns of events -> the Arrow table that becomes rows of `events`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from askfirst.contract.event import is_hash
from askfirst.stores.base import (
    DAY_MS,
    DUPLICATE,
    LATE,
    LATE_AFTER_MS,
    SKEW_MS,
    SKEWED,
    STORED,
    Coded,
    Counts,
    Events,
    Values,
)
from askfirst.stores.duckdb import runs
from askfirst.stores.duckdb.dictionaries import CONTEXT, NOBODY, SAID, Dictionaries
from askfirst.stores.duckdb.keys import KeyColumn, coded, first_and_place
from askfirst.stores.duckdb.runs import Codes, Mask, prints

APPLICATION, ENVIRONMENT = "application.name", "application.env"

_context = msgspec.json.Encoder(order="deterministic")


@dataclass(slots=True)
class Batch:
    """The events of one tool in one load.

    `halves` are the two of each UUID; `print` and `code` are as in runs.py.
    """

    events: Events
    order: npt.NDArray[np.intp]  # by code
    timestamp: npt.NDArray[np.int64]
    received: npt.NDArray[np.int64]
    halves: npt.NDArray[np.int64]
    print: npt.NDArray[np.uint64]
    code: Codes

    @classmethod
    def of(cls, events: Events) -> Batch:
        """Make ready what tells the events apart. Raises ValueError if columns differ in length."""
        events.check()
        timestamp = np.frombuffer(events.timestamp, np.int64)
        halves = np.frombuffer(events.id, ">i8").astype(np.int64).reshape(-1, 2)
        received = np.frombuffer(events.received, np.int64)
        print_ = prints(timestamp, halves)
        code = runs.codes(timestamp, print_)
        order = np.argsort(code, kind="stable")
        return cls(events, order, timestamp, received, halves, print_, code)

    @property
    def first_day(self) -> int:
        """The first day of any of them, since 1970-01-01 UTC."""
        return int(self.timestamp.min(initial=1 << 62)) // DAY_MS

    def repeated(self) -> Mask:
        """Tell for each row whether an earlier one of the same load is the same event."""
        ordered = np.sort(self.print)
        mask = np.zeros(len(ordered), bool)
        if (ordered[1:] == ordered[:-1]).any():
            mask[:] = True
            mask[np.unique(self.print, return_index=True)[1]] = False
        return mask

    def identities(self, rows: npt.NDArray[np.intp], tool: int) -> pa.Table:
        """Return what tells some rows apart as it is stored, with `row` for the place in `rows`."""
        moment = self.timestamp[rows]
        return pa.table(
            {
                "row": np.arange(len(rows)),
                "tool": np.full(len(rows), tool, np.int16),
                "timestamp": moment,
                "id_rest": self.halves[rows, 0] ^ moment << 16,
                "id_low": self.halves[rows, 1],
            }
        )

    def rows(self, tool: int, kept: Mask, dictionaries: Dictionaries) -> pa.Table:
        """Return the kept events with keys in the place of texts."""
        events = self.events
        chosen = None if kept.all() else np.flatnonzero(kept)
        installations = np.frombuffer(events.installation, "V32")[kept].tobytes()
        people = dictionaries.people(tool, installations)
        fields = {name: _picked(column, chosen) for name, column in events.fields.items()}
        columns = {
            "version": dictionaries.names("version", tool, _picked(events.version, chosen)),
            "command": dictionaries.names("command", tool, _picked(events.command, chosen)),
            "installation": people,
        }
        said = (*_named(fields, APPLICATION), *_named(fields, ENVIRONMENT))
        for which, (rows, texts) in enumerate((said[:2], said[2:])):
            columns[SAID[which]] = _sayings(dictionaries, which, people, rows, texts)
        columns[SAID[CONTEXT]] = _contexts(dictionaries, people, fields)
        return pa.table(
            {
                "tool": np.full(len(people), tool, np.int16),
                "arrived": (self.received[kept] // DAY_MS).astype(np.int32),
                "timestamp": self.timestamp[kept],
                "id_rest": self.halves[kept, 0] ^ self.timestamp[kept] << 16,
                "id_low": self.halves[kept, 1],
                **columns,
            }
        )

    def counts(self, kept: Mask) -> Counts:
        """Count what was stored, duplicate, late and clock-skewed, by day of arrival.

        A duplicate is counted as nothing else: it was late or skewed once, when it was stored.
        """
        age = self.received - self.timestamp
        kinds = {
            STORED: kept,
            DUPLICATE: ~kept,
            LATE: kept & (age > LATE_AFTER_MS),
            SKEWED: kept & (-age > SKEW_MS),
        }
        days = self.received // DAY_MS
        counts: Counter[tuple[str, int, str]] = Counter()
        for kind, mask in kinds.items():
            for day, n in zip(*np.unique(days[mask], return_counts=True), strict=True):
                counts[self.events.tool, int(day), kind] += int(n)
        return counts


def together(parts: Iterable[Events]) -> list[Events]:
    """Lay parts of one tool end to end, in the order they came. Raises ValueError as `extend`."""
    by_tool: dict[str, list[Events]] = {}
    for part in parts:
        if len(part):
            by_tool.setdefault(part.tool, []).append(part)
        else:
            part.check()
    joined = []
    for tool, same in by_tool.items():
        if len(same) == 1:
            joined.append(same[0])
            continue
        one = Events(tool)
        for part in same:
            one.extend(part)
        joined.append(one)
    return joined


def _picked(column: Any, chosen: npt.NDArray[np.intp] | None) -> Any:
    if chosen is None:
        return column
    if isinstance(column, Coded):
        return Coded(column.codes[chosen], column.values)
    return [column[row] for row in chosen.tolist()]


def _named(fields: dict[str, Values], name: str) -> tuple[npt.NDArray[np.intp], Sequence[Any]]:
    """Take a field of texts out: the rows that have one, and the texts.

    A flag is no name: it stays.
    """
    column = fields.pop(name, None)
    if column is None:
        return np.empty(0, np.intp), []
    if isinstance(column, Coded):
        codes, distinct = coded(column)
        if not any(isinstance(value, bool) for value in distinct):
            rows = np.flatnonzero(np.array([v is not None for v in distinct], bool)[codes])
            return rows, Coded(codes[rows], distinct)
        column = list(column)
    kinds = set(map(type, column))
    if kinds == {str}:
        return np.arange(len(column)), column
    is_text = np.array([type(value) is str for value in column], bool)
    if bool in kinds:
        fields[name] = [value if isinstance(value, bool) else None for value in column]
    return np.flatnonzero(is_text), [value for value in column if type(value) is str]


def _sayings(
    dictionaries: Dictionaries,
    which: int,
    people: KeyColumn,
    rows: npt.NDArray[np.intp],
    texts: Sequence[str],
) -> pa.Array:
    """Return the key of what is said in some rows, null in the others."""
    keys = np.zeros(len(people), np.int32)
    if len(rows):
        keys[rows] = dictionaries.sayings(which, people[rows], texts)
    return pa.array(keys, pa.int32(), mask=keys == 0)


def _contexts(dictionaries: Dictionaries, people: KeyColumn, fields: dict[str, Values]) -> pa.Array:
    """Return the key of each event's other fields; of nobody in particular if none is a hash."""
    code = np.zeros(len(people), np.int64)
    values = [coded(column) for column in fields.values()]
    for codes, distinct in values:
        if code.max(initial=0) > (1 << 62) // len(distinct):
            code = first_and_place(code)[1]
        code = code * len(distinct) + codes
    first, place = first_and_place(code)
    personal = np.zeros(len(first), bool)
    for codes, distinct in values:
        hashed = [isinstance(value, str) and is_hash(value) for value in distinct]
        personal |= np.array(hashed, bool)[codes[first]]
    texts = []
    for row in first.tolist():
        context = {}
        for name, (codes, distinct) in zip(fields, values, strict=True):
            value = distinct[codes[row]]
            if value is not None:
                context[name] = value
        texts.append(_context.encode(context).decode() if context else None)
    shared = [n for n, text in enumerate(texts) if text is not None and not personal[n]]
    of_code = np.zeros(len(texts), np.int32)
    nobody = np.full(len(shared), NOBODY, np.int32)
    of_code[shared] = dictionaries.sayings(CONTEXT, nobody, [texts[n] or "" for n in shared])
    keys = of_code[place]
    own = np.flatnonzero(personal[place])
    said = [texts[n] or "" for n in place[own].tolist()]
    keys[own] = dictionaries.sayings(CONTEXT, people[own], said)
    return pa.array(keys, pa.int32(), mask=keys == 0)
