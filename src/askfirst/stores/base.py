"""The Store interface: what every engine must do. One folder beside this file for each engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

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


class StoreError(Exception):
    """The store cannot do what was asked; the text is one line that says why and what to do."""


class StoreHeldError(StoreError):
    """Another process owns the store."""


@dataclass(slots=True)
class Events:
    """Accepted events in columns of equal length, of one tool.

    `id` holds 16 bytes each (the UUID), `timestamp` and `received` ms UTC, `installation` 32 bytes
    (the SHA-256), `fields` treated values by declared name (text; a bool for a flag).
    """

    tool: str
    id: list[bytes] = field(default_factory=list)
    timestamp: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    installation: list[bytes] = field(default_factory=list)
    version: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    fields: list[Mapping[str, str | bool]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.id)


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


# (tool, day of arrival in days since 1970-01-01 UTC, kind) -> how many
Counts = dict[tuple[str, int, str], int]


class Store(Protocol):
    """Keeps events and answers questions. One process owns a store; its methods may be called from
    any thread of it.
    """

    def load(
        self, events: Iterable[Events], counts: Counts, position: Position | None = None
    ) -> Loaded:
        """Store events, counts and the log position in one transaction, all or nothing.

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
        """Run `questions/<name>.sql` of this engine. Sees every `load` that has returned."""

    def erase(self, tool: str, installation: bytes) -> int:
        """Forget an installation (32 bytes) and everything said about it; return how many
        events.
        """

    def retain(self, tool: str, before: int) -> int:
        """Forget events of a tool with a timestamp before `before` (ms UTC); return how many."""

    def scrub(self) -> bool:
        """Make what was erased or retained unreadable in every file; tell if there was anything."""

    def size(self) -> int:
        """Return how many bytes the store takes on this machine's disk."""

    def tools(self) -> Sequence[str]:
        """Return the names of tools that have events or a contract."""

    def events(self, tool: str) -> Iterator[Events]:
        """Yield everything stored of a tool in order of time, some thousand events at a time.

        When an event arrived is not kept: `received` is its timestamp.
        """

    def backup(self, target: Path) -> None:
        """Write a copy of the whole store, as it is now, to a path where nothing is."""

    def check(self) -> list[str]:
        """Say what is wrong with the store, one sentence for each thing; [] if nothing is."""

    def close(self) -> None:
        """Let go of the store."""
