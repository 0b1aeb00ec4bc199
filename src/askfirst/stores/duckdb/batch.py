"""Columns of events -> the Arrow table that becomes rows of `events`."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from askfirst.stores.base import (
    DAY_MS,
    DUPLICATE,
    LATE,
    LATE_AFTER_MS,
    SKEW_MS,
    SKEWED,
    STORED,
    Counts,
    Events,
)
from askfirst.stores.duckdb.dictionaries import SAID, Dictionaries

APPLICATION, ENVIRONMENT = "application.name", "application.env"
KEYED = ("version", "command", "installation", *SAID)
T = TypeVar("T")

_context = msgspec.json.Encoder(order="deterministic")


@dataclass(slots=True)
class Batch:
    """The events of one load in columns of equal length; `halves` are the two of each UUID."""

    tool: npt.NDArray[np.int64]
    timestamp: npt.NDArray[np.int64]
    received: npt.NDArray[np.int64]
    halves: npt.NDArray[np.int64]
    parts: Sequence[Events]
    keys: Sequence[int]

    @classmethod
    def of(cls, parts: Sequence[Events], dictionaries: Dictionaries) -> Batch:
        """Lay the columns of several tools end to end. Raises ValueError if lengths differ."""
        for part in parts:
            if any(len(column) != len(part) for column in _columns(part)):
                raise ValueError("the columns of Events differ in length")
        keys = [dictionaries.tool(part.tool) for part in parts]
        raw = b"".join(itertools.chain.from_iterable(part.id for part in parts))
        return cls(
            np.repeat(np.array(keys, np.int64), [len(part) for part in parts]),
            np.concatenate([np.array(part.timestamp, np.int64) for part in parts]),
            np.concatenate([np.array(part.received, np.int64) for part in parts]),
            np.frombuffer(raw, ">i8").reshape(-1, 2).astype(np.int64),
            parts,
            keys,
        )

    def identities(self) -> pa.Table:
        """Return what tells one event from another, with the number of its row."""
        return pa.table(
            {
                "row": np.arange(len(self.tool)),
                "tool": self.tool.astype(np.int16),
                "timestamp": self.timestamp,
                "id_high": self.halves[:, 0],
                "id_low": self.halves[:, 1],
            }
        )

    def repeated(self) -> npt.NDArray[np.bool_]:
        """Tell for each row whether an earlier one of the same load is the same event."""
        order = np.lexsort((self.halves[:, 1], self.halves[:, 0], self.timestamp, self.tool))
        same = np.ones(max(0, len(order) - 1), bool)
        for column in (self.tool, self.timestamp, self.halves[:, 0], self.halves[:, 1]):
            ordered = column[order]
            same &= ordered[1:] == ordered[:-1]
        mask = np.zeros(len(order), bool)
        mask[order[1:]] = same  # lexsort is stable: the first of equals is the first that came
        return mask

    def rows(self, kept: npt.NDArray[np.bool_], dictionaries: Dictionaries) -> pa.Table:
        """Return the kept events with keys in the place of texts."""
        columns: dict[str, list[int | None]] = {name: [] for name in KEYED}
        ends = np.cumsum([len(part) for part in self.parts])
        for part, tool, end in zip(self.parts, self.keys, ends.tolist(), strict=True):
            chosen = np.flatnonzero(kept[end - len(part) : end]).tolist()
            for name, keys in _keyed(part, tool, chosen, dictionaries).items():
                columns[name] += keys
        dictionaries.write_sayings()
        return pa.table(
            {
                "tool": self.tool[kept].astype(np.int16),
                "timestamp": self.timestamp[kept],
                "id_high": self.halves[kept, 0],
                "id_low": self.halves[kept, 1],
                **{name: pa.array(column, pa.int32()) for name, column in columns.items()},
            }
        )

    def counts(self, kept: npt.NDArray[np.bool_]) -> Counts:
        """Count what was stored, duplicate, late and clock-skewed, by tool and day of arrival.

        A duplicate is counted as nothing else: it was late or skewed once, when it was stored.
        """
        age = self.received - self.timestamp
        kinds = {
            STORED: kept,
            DUPLICATE: ~kept,
            LATE: kept & (age > LATE_AFTER_MS),
            SKEWED: kept & (-age > SKEW_MS),
        }
        names = {key: part.tool for key, part in zip(self.keys, self.parts, strict=True)}
        days = self.received // DAY_MS
        counts: Counter[tuple[str, int, str]] = Counter()
        for kind, mask in kinds.items():
            for tool, day in zip(self.tool[mask].tolist(), days[mask].tolist(), strict=True):
                counts[names[tool], day, kind] += 1
        return counts


def _columns(part: Events) -> tuple[Sequence[object], ...]:
    return (
        part.timestamp,
        part.received,
        part.installation,
        part.version,
        part.command,
        part.fields,
    )


def _keyed(
    part: Events, tool: int, chosen: list[int], dictionaries: Dictionaries
) -> dict[str, list[int | None]]:
    """Return the columns KEYED for the chosen rows of one tool."""
    versions = _pick(part.version, chosen)
    commands = _pick(part.command, chosen)
    hashes = _pick(part.installation, chosen)
    version_keys = dictionaries.names("version", tool, versions)
    command_keys = dictionaries.names("command", tool, commands)
    remembered = dictionaries.people(tool, hashes)
    people = [remembered[who] for who in hashes]
    columns: dict[str, list[int | None]] = {
        "version": [version_keys[version] for version in versions],
        "command": [command_keys[command] for command in commands],
        "installation": [person.key for person in people],
    }
    said = map(_sayings, _pick(part.fields, chosen))
    for which, texts in enumerate(zip(*said, strict=True)):
        keys: list[int | None] = []
        for person, text in zip(people, texts, strict=True):
            key = None if text is None else person.said[which].get(text)
            if key is None and text is not None:
                key = dictionaries.say(person, which, text)
            keys.append(key)
        columns[SAID[which]] = keys
    return columns


def _pick(column: list[T], chosen: list[int]) -> list[T]:
    return column if len(chosen) == len(column) else [column[row] for row in chosen]


def _sayings(fields: Mapping[str, str | bool]) -> tuple[str | None, str | None, str | None]:
    """Return what stands for SAID: application, environment, and JSON of all other fields."""
    application = fields.get(APPLICATION)
    environment = fields.get(ENVIRONMENT)
    plain = isinstance(application, str), isinstance(environment, str)
    if len(fields) == sum(plain):
        return application, environment, None  # type: ignore[return-value]
    rest = dict(fields)
    # a flag is no name: it stays with the rest
    named = rest.pop(APPLICATION) if plain[0] else None
    placed = rest.pop(ENVIRONMENT) if plain[1] else None
    return named, placed, _context.encode(rest).decode()  # type: ignore[return-value]
