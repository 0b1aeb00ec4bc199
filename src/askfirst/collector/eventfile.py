"""Events in a file: NDJSON as they are sent, or Parquet and CSV with a column for each part.

The columns are id, installationId, timestamp, version, command, and fields as JSON.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
from pyarrow import csv, parquet

from askfirst.contract.event import Event
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS, Events

FORMATS = (".ndjson", ".parquet", ".csv")
ROWS = 10_000  # read at a time
MIXED = 100_000  # events of one day are put into an order of chance at a time; some 80 MB
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("installationId", pa.string()),
        ("timestamp", pa.int64()),
        ("version", pa.string()),
        ("command", pa.string()),
        ("fields", pa.string()),
    ]
)

Row: TypeAlias = dict[str, object]


class FileError(Exception):
    """A file that cannot be read or written; one line that says why and what to do."""


class Disguise:
    """Replaces hashes by others, by a key that nobody keeps, and each moment by its day.

    Within one file the same stays the same, so that it can be counted. No hash, id or moment in it
    can be found again in the store, in another file, or on a user's machine, nor can the order of a
    day's events (of each MIXED, on a day that has more). What somebody did stays: who has the
    events themselves may know an installation again by its days, versions and commands.
    """

    def __init__(self, contract: Contract) -> None:
        self._key = secrets.token_bytes(32)
        self._hashed = [f.name for f in contract.fields.values() if f.treatment == "hash"]

    def __call__(self, batches: Iterable[list[Event]]) -> Iterator[list[Event]]:
        """Yield events that come in order of time, disguised."""
        held: list[Event] = []
        for event in chain.from_iterable(batches):
            day = event.timestamp // DAY_MS * DAY_MS
            is_next = bool(held) and held[-1].timestamp != day
            if len(held) >= (ROWS if is_next else MIXED):
                yield sorted(held, key=_by_chance)
                held = []
            event.timestamp = day
            self._hide(event)
            held.append(event)
        if held:
            yield sorted(held, key=_by_chance)

    def _hide(self, event: Event) -> None:
        event.id = str(uuid.uuid4())
        event.installation_id = self._other(event.installation_id)
        for name in self._hashed:
            if name in event.fields:
                event.fields[name] = self._other(str(event.fields[name]))

    def _other(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def _by_chance(event: Event) -> tuple[int, str]:
    return event.timestamp, event.id  # the id is a new one, and random


def check_format(path: Path) -> None:
    """Raise FileError unless the file's ending names a format."""
    if path.suffix not in FORMATS:
        raise FileError(f"{path} has no known format; end it in one of {', '.join(FORMATS)}")


def write(path: Path, batches: Iterable[Events], disguise: Disguise | None = None) -> int:
    """Write events, in order of time, to a new file, mode 0600, all or nothing; return how many.

    Raises FileError.
    """
    check_format(path)
    parts: Iterable[list[Event]] = (list(_events(events)) for events in batches)
    part = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file, closing(_writer(path.suffix, file)) as writer:
                count = 0
                for rows in disguise(parts) if disguise else parts:
                    writer.write(rows)
                    count += len(rows)
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror or error}") from error
    return count


def read(path: Path) -> Iterator[list[Row]]:
    """Yield the events of a file in the shape they are sent in. Raises FileError."""
    check_format(path)
    try:
        if path.suffix == ".ndjson":
            yield from _read_lines(path)
        else:
            yield from _read_columns(path)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror or error}") from error
    except (pa.ArrowException, KeyError, TypeError, msgspec.DecodeError) as error:
        first = str(error).partition("\n")[0]
        raise FileError(f"{path} is no file of events: {first}") from error


class _Lines:
    def __init__(self, file: Any) -> None:
        self._file = file

    def close(self) -> None:
        self._file.flush()

    def write(self, events: list[Event]) -> None:
        self._file.writelines(event.encode() + b"\n" for event in events)


class _Columns:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def close(self) -> None:
        self._writer.close()

    def write(self, events: list[Event]) -> None:
        columns = [
            [event.id for event in events],
            [event.installation_id for event in events],
            [event.timestamp for event in events],
            [event.version for event in events],
            [event.command for event in events],
            [msgspec.json.encode(event.fields).decode() for event in events],
        ]
        self._writer.write_table(pa.table(columns, schema=SCHEMA))


def _writer(suffix: str, file: Any) -> _Lines | _Columns:
    if suffix == ".ndjson":
        return _Lines(file)
    if suffix == ".csv":
        return _Columns(csv.CSVWriter(file, SCHEMA))
    return _Columns(parquet.ParquetWriter(file, SCHEMA, compression="zstd"))


def _events(events: Events) -> Iterator[Event]:
    rows = zip(
        events.ids(),
        events.installations(),
        events.timestamp,
        events.version,
        events.command,
        events.rows_of_fields(),
        strict=True,
    )
    for id_, installation, moment, version, command, fields in rows:
        yield Event(str(uuid.UUID(bytes=id_)), installation.hex(), moment, version, command, fields)


def _read_lines(path: Path) -> Iterator[list[Row]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    rows: list[Row] = []
    with path.open("rb") as file:
        for line in file:
            rows.append(decode(line))
            if len(rows) == ROWS:
                yield rows
                rows = []
    yield rows


def _read_columns(path: Path) -> Iterator[list[Row]]:
    decode = msgspec.json.Decoder(dict[str, str | bool]).decode
    for batch in _batches(path):
        rows = []
        for row in batch.to_pylist():
            event = Event(
                row["id"],
                row["installationId"],
                row["timestamp"],
                row["version"],
                row["command"],
                decode(row["fields"]) if row["fields"] is not None else {},
            )
            rows.append(event.as_dict())
        yield rows


def _batches(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS, columns=SCHEMA.names)
    else:
        types = {field.name: field.type for field in SCHEMA}
        yield from csv.open_csv(path, convert_options=csv.ConvertOptions(column_types=types))
