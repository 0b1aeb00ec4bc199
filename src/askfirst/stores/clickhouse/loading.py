"""How a load is in the store once, although the engine has no transaction.

A load of a log begins where the last one ended: at the log's position. Its `origin` is a number
made of that, and stands in every row it brings. First it looks which of its events are there
already. Those of another origin are duplicates. Those of its own were brought by the same load
before it was cut short: they are counted as stored and not sent again. Then come the rows, and
last, in one insert, which is atomic, the counts and the new position. Whatever dies in between, the
load comes again from the same position, finds what it had brought, and counts everything once.

An insert that is sent twice, because its answer was lost, is told by its deduplication token.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from askfirst.stores.base import Position


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a load began; `number` stands in its rows (64 bits)."""

    number: int

    @classmethod
    def of(cls, log: str, before: Position | None) -> Origin:
        """Return the origin of the load that follows a position of a log."""
        place = (log, before.segment, before.offset) if before else (log,)
        return cls(int.from_bytes(hashlib.sha256(repr(place).encode()).digest()[:8], "big"))

    @classmethod
    def unique(cls) -> Origin:
        """Return the origin of a load of no log: it never comes again."""
        return cls(secrets.randbits(64))

    def token(self, what: str, end: Position | None) -> str:
        """Return the deduplication token of an insert of the load that ends at a position."""
        place = f"{end.segment}-{end.offset}" if end else ""
        return f"{what}-{self.number:016x}-{place}"
