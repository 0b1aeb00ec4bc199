"""What a frame of the log says: the accepted events of a request or of several, in columns.

A frame is encoded anew from checked values; no byte of a request gets into it otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import msgspec

ID_BYTES = 16
INSTALLATION_BYTES = 32


class EventsFrame(msgspec.Struct, array_like=True, tag="events"):
    """Accepted events of one tool, in columns that are put end to end without looking into them.

    `received` is when the request came (ms UTC). `id` holds 16 bytes an event (the UUID),
    `timestamp` a little-endian 64-bit integer (ms UTC), `installation` 32 bytes (the SHA-256).
    `fields` has, by declared name, a treated value for each event (text; a bool for a flag; None
    where the event has none), and no name that no event uses. `counts` says how many events were
    dropped and fields removed, by the kinds of `stores.base`.
    """

    tool: str
    received: int
    id: bytes
    timestamp: bytes
    installation: bytes
    version: list[str]
    command: list[str]
    fields: dict[str, list[str | bool | None]]
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.version)


encode = msgspec.msgpack.Encoder().encode
_decoder: msgspec.msgpack.Decoder[EventsFrame] = msgspec.msgpack.Decoder(EventsFrame)
decode = _decoder.decode


def pack_moments(moments: Sequence[int]) -> bytes:
    """Return the `timestamp` column of moments (ms UTC)."""
    return struct.pack(f"<{len(moments)}q", *moments)


def moments(column: bytes) -> list[int]:
    """Return the moments (ms UTC) in a `timestamp` column."""
    return list(struct.unpack(f"<{len(column) // 8}q", column))


def pieces(column: bytes, size: int) -> list[bytes]:
    """Return the values of `size` bytes each in an `id` or `installation` column."""
    return [column[at : at + size] for at in range(0, len(column), size)]
