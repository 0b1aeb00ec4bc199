"""The fast way through the door, for a batch of which every event is as the client forms it.

A contract becomes a type that msgspec decodes a whole request into, and what a type cannot say is
checked in columns. What is not proven acceptable here goes whole through the steps of `pipeline`,
which are the rules: this way may doubt what they take, and never takes what they would not.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Sequence
from itertools import compress
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec

from askfirst.collector.frames import (
    INSTALLATION_BYTES,
    EventsFrame,
    pack_moments,
    pieces,
)
from askfirst.contract import sampling
from askfirst.contract.model import Contract, Field
from askfirst.contract.version import is_released
from askfirst.stores.base import DAY_MS

MOST_EVENTS = 1_000  # in one batch
MOST_VERSIONS = 4_096  # remembered; a tool has some hundred, and only released ones are kept
FROM_FUTURE_MS = DAY_MS
OUTSIDE_SAMPLE, DAILY_CAP = "outside-sample", "daily-cap"  # of pipeline.DropReason

_HASH = Annotated[str, msgspec.Meta(min_length=64, max_length=64)]
_ID = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]

# key -> what belongs there: a declared field, one that every event has, or further keys
Places: TypeAlias = dict[str, "Field | str | Places"]
# (tool, installation, timestamp) -> whether one more event may be taken; asked once for each
Admit: TypeAlias = Callable[[str, bytes, int], bool]


class DoubtError(Exception):
    """The steps have to decide."""


class Compiled:
    """A contract, made ready for deciding on whole batches."""

    def __init__(self, contract: Contract, places: Places) -> None:
        self._tool = contract.name
        self._retention_ms = contract.retention_days * DAY_MS
        self._limit = sample_limit(contract)
        self._table = table = _Table(places, _leaf_types(contract))
        self._fields = [(name, table.index[name]) for name in contract.fields]
        self._hashes = [table.index[n] for n in ("installationId", *_treated(contract, "hash"))]
        self._versions = [table.index[n] for n in ("cli.version", *_treated(contract, "version"))]
        self._id, self._installation = table.index["id"], table.index["installationId"]
        self._timestamp = table.index["timestamp"]
        self._version, self._command = table.index["cli.version"], table.index["cli.command"]
        self._released = Released()
        members: list[tuple[str, Any, Any] | tuple[str, Any]] = [
            ("tool", Literal[contract.name]),
            ("events", list[table.event]),  # type: ignore[name-defined]
            ("contract", str | None, None),
        ]
        batch = msgspec.defstruct("Batch", members, forbid_unknown_fields=True, gc=False)
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(batch).decode

    def take(self, body: bytes, now: int, admit: Admit | None) -> Checked | None:
        """Return what a batch comes to, or None if the steps have to say.

        `body` is a request to `POST /v1/events`, `now` is ms UTC. `admit` is asked only when all
        else is decided, so that it is asked once for each event whichever way a batch goes.
        """
        try:
            events = self._decode(body).events
            if not 0 < len(events) <= MOST_EVENTS:
                return None
            columns = self._table.columns(events)
            installation = self._check(columns, now)
            id_ = _uuids(columns[self._id])
        except (DoubtError, msgspec.MsgspecError, ValueError, RecursionError):
            return None  # ValueError: from unhexlify, or for text that is no UTF-8
        if admit is not None or self._limit:
            asked = zip(
                pieces(installation, INSTALLATION_BYTES), columns[self._timestamp], strict=True
            )
            why = [self._refusal(*row, admit) for row in asked]
            if any(why):
                return self._divide(columns, why, now)
        return Checked(self._frame(columns, id_, installation, now), [])

    def single(self, body: bytes) -> Any | None:
        """Return the event of a batch that has one and no more, decoded, for `frame`; else None.

        None too where a sample has to be looked at.
        """
        if self._limit:
            return None
        try:
            events = self._decode(body).events
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        return events[0] if len(events) == 1 else None

    def frame(self, events: Sequence[Any], now: int) -> EventsFrame | None:
        """Return a frame of what `single` found, or None if one of them is in doubt.

        Nobody is asked for admission.
        """
        try:
            columns = self._table.columns(events)
            installation = self._check(columns, now)
            return self._frame(columns, _uuids(columns[self._id]), installation, now)
        except (DoubtError, ValueError):
            return None

    def _refusal(self, installation: bytes, timestamp: int, admit: Admit | None) -> str:
        """Say why an event that is fine is dropped; "" if it is not."""
        if self._limit and installation >= self._limit:
            return OUTSIDE_SAMPLE
        if admit is None or admit(self._tool, installation, timestamp):
            return ""
        return DAILY_CAP

    def _check(self, columns: Columns, now: int) -> bytes:
        """Check what the types cannot say; return the installations. Raises DoubtError."""
        moments = columns[self._timestamp]
        if min(moments) < now - self._retention_ms or max(moments) > now + FROM_FUTURE_MS:
            raise DoubtError
        for index in self._versions:
            if not self._released.cover(columns[index]):
                raise DoubtError
        hashes = _hashes([columns[index] for index in self._hashes])
        return hashes[: INSTALLATION_BYTES * len(moments)]

    def _divide(self, columns: Columns, why: list[str], now: int) -> Checked:
        dropped = [row for row in zip(columns[self._id], why, strict=True) if row[1]]
        taken = [not reason for reason in why]
        kept = [list(compress(column, taken)) for column in columns]
        id_, installation = _uuids(kept[self._id]), _hashes([kept[self._installation]])
        return Checked(self._frame(kept, id_, installation, now), dropped)

    def _frame(self, columns: Columns, id_: bytes, installation: bytes, now: int) -> EventsFrame:
        fields: dict[str, list[str | bool | None]] = {}
        for name, index in self._fields:
            column = columns[index]
            if column and (column[0] is not None or column.count(None) < len(column)):
                fields[name] = column
        return EventsFrame(
            self._tool,
            now,
            id_,
            pack_moments(columns[self._timestamp]),
            installation,
            columns[self._version],
            columns[self._command],
            fields,
            {},
        )


Columns: TypeAlias = list[list[Any]]


class Checked(NamedTuple):
    """What a batch comes to: a frame, and (id, why) of each event that is not in it."""

    frame: EventsFrame
    dropped: list[tuple[str, str]]


def sample_limit(contract: Contract) -> bytes:
    """Return the bytes below which installations are in the sample; b"" if all are."""
    return bytes.fromhex(sampling.limit(contract.sample)) if contract.sample < 1 else b""


class Released:
    """Remembers which versions looked released, since reading one takes longer than all the rest.

    Text that does not look so is never kept: it can be as long as a request.
    """

    def __init__(self, most: int = MOST_VERSIONS) -> None:
        self._most = most
        self._known: set[str] = set()

    def cover(self, texts: Sequence[str | None]) -> bool:
        """Tell whether all of them, as far as there are any, look like released versions."""
        if self._known.issuperset(texts):
            return True
        new = {text for text in texts if text is not None} - self._known
        if not all(map(is_released, new)):
            return False
        if len(self._known) + len(new) > self._most:
            self._known = set()
        self._known |= new
        return True


class _Table:
    """A type for an event of certain keys and no others, and the way from events to columns.

    `event` is the type; `index` says, by dotted name, which column holds what.
    """

    def __init__(self, places: Places, types: dict[str, Any]) -> None:
        root = _Object(places, types, "")
        self.event = root.type
        self.index: dict[str, int] = {}
        # each step takes a member of all things of a kind: of the events, or of what an earlier
        # step found; what it finds is a column, or further things, of which none may be `empty`
        self._steps: list[tuple[int, Callable[[Any], list[Any]], bool, object]] = []
        found = [root]
        for kind, thing in enumerate(found):  # grows as it goes
            for number, (path, inner) in enumerate(thing.parts):
                column_of = _column_of(_member(number))
                self._steps.append((kind, column_of, inner is None, inner and inner.empty))
                if inner is None:
                    self.index[path] = len(self.index)
                else:
                    found.append(inner)

    def columns(self, events: Sequence[Any]) -> Columns:
        """Return what is in one event or more. Raises DoubtError."""
        things: list[Sequence[Any]] = [events]
        columns: Columns = []
        for kind, column_of, is_leaf, empty in self._steps:
            column = column_of(things[kind])
            if is_leaf:
                columns.append(column)
            elif empty is not None and empty in column:
                raise DoubtError  # `{}` stands where declared keys belong
            else:
                things.append(column)
        return columns


def _member(number: int) -> str:
    return f"_{number}"


def _column_of(member: str) -> Callable[[Any], list[Any]]:
    """Return a function from things to what each has as `member`.

    Made from text, it takes half the time of one that looks a name up; `member` is `_` and digits.
    """
    made: Callable[[Any], list[Any]] = eval(f"lambda things: [thing.{member} for thing in things]")  # noqa: S307
    return made


class _Object:
    """A type for a JSON object of certain keys and no others.

    `empty` and `absent` stand for `{}` and for no object at all, if either may come. They are of
    different types, so that nothing that comes is ever equal to `absent`.
    """

    def __init__(self, places: Places, types: dict[str, Any], prefix: str) -> None:
        self.parts: list[tuple[str, _Object | None]] = []
        self.empty: Any = None
        self.absent: Any = None
        members: list[tuple[Any, ...]] = []
        keys: dict[str, str] = {}
        for number, (key, place) in enumerate(places.items()):
            name, path = _member(number), prefix + key
            keys[name] = key  # which may be any word, a Python keyword too
            inner = _Object(place, types, path + ".") if isinstance(place, dict) else None
            self.parts.append((path, inner))
            if isinstance(place, str) or (inner and inner.absent is None):
                members.append((name, inner.type if inner else types[path]))
            elif inner:
                members.append((name, inner.type, inner.absent))
            else:
                members.append((name, types[path], None))  # no value of the type, so never sent
        settings: dict[str, Any] = {"rename": keys, "kw_only": True, "gc": False}
        self.type: Any = msgspec.defstruct(
            "Present", members, forbid_unknown_fields=True, **settings
        )
        if all(len(member) == 3 for member in members):
            self.empty = self.type()
            self.absent = msgspec.defstruct("Absent", members, frozen=True, **settings)()


def _leaf_types(contract: Contract) -> dict[str, Any]:
    """Return, by dotted name, the narrowest type that decoding checks at no cost."""
    types: dict[str, Any] = {
        "id": _ID,
        "installationId": _HASH,
        "timestamp": int,
        "cli.version": str,
        "cli.command": Literal[contract.commands],
    }
    for name, declared in contract.fields.items():
        labels = declared.labels()
        plain = {"flag": bool, "hash": _HASH}.get(declared.treatment, str)
        types[name] = Literal[labels] if labels else plain
    return types


def _treated(contract: Contract, treatment: str) -> list[str]:
    return [name for name, declared in contract.fields.items() if declared.treatment == treatment]


def _hashes(columns: Sequence[list[str | None]]) -> bytes:
    """Return SHA-256 hashes in bytes, end to end; the types have counted their characters.

    Raises DoubtError, ValueError.
    """
    texts: list[Any] = []
    for column in columns:
        texts += column
    try:
        joined = "".join(texts)
    except TypeError:  # some event lacks one
        joined = "".join([text for text in texts if text is not None])
    raw = unhexlify(joined)  # takes upper case too
    if raw.hex() != joined:
        raise DoubtError
    return raw


def _uuids(texts: Sequence[str]) -> bytes:
    """Return UUIDs in bytes, end to end; the types have counted their characters.

    Raises DoubtError, ValueError.
    """
    joined = "".join(texts)
    dashes = "-" * len(texts)
    placed = joined[8::36] == joined[13::36] == joined[18::36] == joined[23::36] == dashes
    digits = joined.replace("-", "")
    if not placed or len(digits) != 32 * len(texts):
        raise DoubtError
    return unhexlify(digits)
