"""The Store interface: what every engine must do. One folder beside this file for each engine."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from askfirst.contract.model import Contract

# Kinds of quality counts that are no drop reasons; a drop is counted as "dropped:<reason>" and a
# field taken from an event of an older contract as "removed:<field>".
STORED = "stored"
DUPLICATE = "duplicate"
LATE = "late"  # over LATE_AFTER_MS old on arrival
SKEWED = "clock-skewed"  # over SKEW_MS ahead of the collector's clock on arrival
LATE_AFTER_MS = 7 * 86_400_000
SKEW_MS = 300_000
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
ID_BYTES, HASH_BYTES = 16, 32


class StoreError(Exception):
    """The store cannot do what was asked; the text is one line that says why and what to do."""


class StoreHeldError(StoreError):
    """Another process owns the store."""


class StoreAwayError(StoreError):
    """The server of the store does not answer now; later it may."""


class StoreStoppedError(StoreError):
    """What was asked for was given up half way, because whoever asked did not want it any more."""


def never() -> bool:
    """Say that nobody wants to stop."""
    return False


class Coded(Sequence[Any]):
    """A column of few values that come often: `values`, and for each row the place of its own.

    Reads as the list of them would. For whoever has codes already: a list of texts is slower.
    """

    __slots__ = ("codes", "values")

    def __init__(
        self, codes: npt.NDArray[np.int32], values: Sequence[Any] | npt.NDArray[np.object_]
    ) -> None:
        self.codes = codes
        self.values = values

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return Coded(self.codes[row], self.values)
        return self.values[self.codes[row]]

    def __iter__(self) -> Iterator[Any]:
        return map(self.values.__getitem__, self.codes.tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


Texts: TypeAlias = "list[str] | Coded"
Values: TypeAlias = "list[str | bool | None] | Coded"


@dataclass(slots=True)
class Events:
    """Accepted events in columns of equal length, of one tool.

    `id` holds 16 bytes for each event, end to end (the UUID), and `installation` 32 (the SHA-256);
    `timestamp` and `received` are ms UTC. `fields` has a column for each declared name: treated
    values (text; a bool for a flag), None where an event has none.
    """

    tool: str
    id: bytearray = field(default_factory=bytearray)
    timestamp: array[int] = field(default_factory=lambda: array("q"))
    received: array[int] = field(default_factory=lambda: array("q"))
    installation: bytearray = field(default_factory=bytearray)
    version: Texts = field(default_factory=list)
    command: Texts = field(default_factory=list)
    fields: dict[str, Values] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.timestamp)

    def extend(self, other: Events) -> None:
        """Lay another's columns behind these. Raises ValueError if its columns differ in length."""
        other.check()
        before, more = len(self), len(other)
        for name in other.fields.keys() - self.fields.keys():
            self.fields[name] = [None] * before
        for name, column in self.fields.items():
            self.fields[name] = _behind(column, other.fields.get(name) or [None] * more)
        self.id += other.id
        self.timestamp += other.timestamp
        self.received += other.received
        self.installation += other.installation
        self.version = _behind(self.version, other.version)
        self.command = _behind(self.command, other.command)

    def check(self) -> None:
        """Raise ValueError if the columns differ in length."""
        size = len(self)
        columns = (self.received, self.version, self.command)
        if (
            any(len(column) != size for column in columns)
            or any(len(column) != size for column in self.fields.values())
            or len(self.id) != ID_BYTES * size
            or len(self.installation) != HASH_BYTES * size
        ):
            raise ValueError("the columns of Events differ in length")

    def ids(self) -> list[bytes]:
        """Return the id of each event."""
        return [bytes(self.id[at : at + ID_BYTES]) for at in range(0, len(self.id), ID_BYTES)]

    def installations(self) -> list[bytes]:
        """Return the installation of each event."""
        raw = self.installation
        return [bytes(raw[at : at + HASH_BYTES]) for at in range(0, len(raw), HASH_BYTES)]

    def rows_of_fields(self) -> list[dict[str, str | bool]]:
        """Return the fields of each event by name, those it has not left out."""
        names = list(self.fields)
        if not names:
            return [{} for _ in range(len(self))]
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in zip(*self.fields.values(), strict=True)
        ]


def _behind(column: Any, more: Any) -> Any:
    """Lay one column behind another."""
    if not len(column):
        return more if isinstance(more, Coded) else list(more)
    if isinstance(column, Coded) and isinstance(more, Coded) and column.values is more.values:
        import numpy as np

        return Coded(np.concatenate([column.codes, more.codes]), column.values)
    if isinstance(column, Coded):
        column = list(column)
    column.extend(more)
    return column


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log has been loaded: everything in `log` before `offset` bytes of `segment`."""

    log: str
    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one `load` did: events stored, and events recognised as duplicates."""

    stored: int
    duplicate: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What tells the events of one hour from others: how many there are, and all their moments
    and all second halves of their ids, xor-ed (64 bits).
    """

    events: int
    moments: int
    ids: int


# (tool, day of arrival in days since 1970-01-01 UTC, kind) -> how many
Counts = dict[tuple[str, int, str], int]


class Store(Protocol):
    """Keeps events and answers questions. Its methods may be called from any thread.

    One process owns an embedded store; any number may have one on a server open.
    """

    def load(
        self, events: Iterable[Events], counts: Counts, position: Position | None = None
    ) -> Loaded:
        """Store events, counts and the log position in one transaction, all or nothing.

        An engine without transactions may keep events of a load that failed; the next load from
        the same position finds them, and every event counts once.

        An event whose (timestamp, id) the tool has already is counted as a duplicate and not
        stored; so is the second of two in the same call. STORED, DUPLICATE, LATE and SKEWED are
        counted here, by day of arrival; `counts` brings what was dropped before.
        """

    def position(self, log: str) -> Position | None:
        """Return how far `log` has been loaded, or None if it never was."""

    def declare(self, contract: Contract) -> None:
        """Make `contract` the one in force for its tool."""

    def contracts(self) -> list[Contract]:
        """Return the contracts in force, by tool name."""

    def query(self, name: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        """Answer a question of this engine by its name, `questions/<name>.sql` or a quicker way.

        Sees every `load` that has returned. A list of numbers within a row may be an array.

        `parameters` has the `tool` at least. Where its contract in force has a sample, the question
        sees installations in that alone (`contract.sampling`), whatever else is stored.
        """

    def erase(self, tool: str, installation: bytes, until: int = 0) -> int:
        """Forget an installation (32 bytes) and everything said about it; return how many
        events. No answer has it from then on; its bytes are gone after the next `scrub`.

        With `until` (ms UTC), a store that several collectors share leaves out what a log of theirs
        received by then and loads later.
        """

    def retain(self, tool: str, before: int) -> int:
        """Forget events of a tool with a timestamp before `before` (ms UTC); return how many."""

    def size(self) -> int:
        """Return how many bytes the store takes on disk, where it is."""

    def tools(self) -> Sequence[str]:
        """Return the names of tools that have events or a contract."""

    def count(self, tool: str) -> int:
        """Return how many events of a tool are stored."""

    def events(self, tool: str) -> Iterator[Events]:
        """Yield everything stored of a tool in order of time, some thousand events at a time.

        When an event arrived is not kept: `received` is its timestamp.
        """

    def scrub(self, stopped: Callable[[], bool] = never) -> bool:
        """Make what was forgotten since the last time unreadable in every file of the store, and
        in the backups kept beside it; return whether there was anything.

        That there is something is recorded with the erasure itself, so that no crash loses it.
        Questions are answered meanwhile, and loading goes on, but for a moment at the end. Raises
        StoreStoppedError soon after `stopped` says so; then it is still due.
        """

    def backup(self, target: Path, keep: int | None = None) -> None:
        """Write a copy of the whole store, as it is now, to a path where nothing is.

        With `keep`, the newest so many of the backups beside the store stay. Loading goes on
        meanwhile.
        """

    def check(self) -> list[str]:
        """Say what is wrong with the store, one sentence for each thing; [] if nothing is."""

    def close(self) -> None:
        """Let go of the store."""
