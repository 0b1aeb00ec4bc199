"""What a frame of the log says: some events of one tool.

A frame is encoded anew from checked values; no byte of a request gets into it otherwise.
"""

from __future__ import annotations

import msgspec


class EventsFrame(msgspec.Struct, array_like=True, tag="events"):
    """Accepted events of one request, in columns as `stores.base.Events` has them.

    `received` is when the request came (ms UTC); `counts` says how many events were dropped and
    fields removed, by the kinds of `stores.base`.
    """

    tool: str
    received: int
    id: list[bytes]
    timestamp: list[int]
    installation: list[bytes]
    version: list[str]
    command: list[str]
    fields: list[dict[str, str | bool]]
    counts: dict[str, int]


encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(EventsFrame)
decode = _decoder.decode
