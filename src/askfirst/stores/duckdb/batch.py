"""Columns of events -> the Arrow table that becomes rows of `events`."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
from askfirst.stores.duckdb.dictionaries import Dictionaries

APPLICATION, ENVIRONMENT = "application.name", "application.env"

_context = msgspec.json.Encoder(order="deterministic")


@dataclass(slots=True)
class Batch:
    """The events of one load in columns of equal length; `halves` are the two of each UUID."""

    tool: npt.NDArray[np.int64]
    timestamp: npt.NDArray[np.int64]
    received: npt.NDArray[np.int64]
    halves: npt.NDArray[np.uint64]
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
            np.frombuffer(raw, ">u8").reshape(-1, 2).astype(np.uint64),
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
        chosen = np.flatnonzero(kept)
        columns = self._keyed(chosen, dictionaries)
        return pa.table(
            {
                "tool": self.tool[chosen].astype(np.int16),
                "timestamp": self.timestamp[chosen],
                "id_high": self.halves[chosen, 0],
                "id_low": self.halves[chosen, 1],
                **{name: pa.array(column, pa.int32()) for name, column in columns.items()},
            }
        )

    def _keyed(
        self, chosen: npt.NDArray[np.int64], dictionaries: Dictionaries
    ) -> dict[str, Sequence[int | None]]:
        rows = chosen.tolist()
        tools = self.tool[chosen].tolist()
        versions = [("version", t, v) for t, v in zip(tools, self._pick("version", rows))]
        commands = [("command", t, c) for t, c in zip(tools, self._pick("command", rows))]
        names = dictionaries.names({*versions, *commands})
        identities = list(zip(tools, self._pick("installation", rows)))
        remembered = dictionaries.people(identities)
        people = [remembered[identity] for identity in identities]
        said = [_sayings(fields) for fields in self._pick("fields", rows)]
        saying = dictionaries.saying
        columns: dict[str, Sequence[int | None]] = {
            field: [
                None if text is None else saying(person, (field, text))
                for person, text in zip(people, texts)
            ]
            for field, texts in zip(
                ("application", "environment", "context"), zip(*said, strict=True), strict=True
            )
        }
        dictionaries.write_sayings()
        columns["installation"] = [person.key for person in people]
        columns["version"] = [names[name] for name in versions]
        columns["command"] = [names[name] for name in commands]
        return columns

    def _pick(self, column: str, rows: Sequence[int]) -> list:  # type: ignore[type-arg]
        laid = list(itertools.chain.from_iterable(getattr(part, column) for part in self.parts))
        return laid if len(rows) == len(laid) else [laid[row] for row in rows]

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


def _sayings(fields: Mapping[str, str | bool]) -> tuple[str | None, str | None, str | None]:
    """Return (application, environment, JSON of all other fields), None for what is not there."""
    rest = dict(fields)
    application = rest.pop(APPLICATION, None)
    environment = rest.pop(ENVIRONMENT, None)
    if isinstance(application, bool):  # a flag is no name; it is kept with the rest
        rest[APPLICATION] = application
        application = None
    if isinstance(environment, bool):
        rest[ENVIRONMENT] = environment
        environment = None
    return application, environment, _context.encode(rest).decode() if rest else None
