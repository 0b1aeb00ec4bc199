"""A collector that stores nothing and shows each thing that comes, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from askfirst.collector.endpoint import Endpoint
from askfirst.collector.ingest import check_size, decode

Show = Callable[[bytes, str], None]


class RawBatch(msgspec.Struct):
    """A batch whose events stay the text they came as."""

    tool: str
    events: list[msgspec.Raw]
    contract: str | None = None


class RawErasure(msgspec.Struct):
    """A request to forget an installation."""

    tool: str


_batch = msgspec.json.Decoder(RawBatch)
_erasure = msgspec.json.Decoder(RawErasure)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def build_inspector(show: Show) -> Starlette:
    """Return an application that answers like a collector that takes everything.

    `show` gets the JSON text of each event, command and erasure, as it was sent, and a few words
    on what it is.
    """
    return Starlette(
        routes=[
            Route("/v1/events", Endpoint(partial(_take_events, show)), methods=["POST"]),
            Route("/v1/command", Endpoint(partial(_take_command, show)), methods=["POST"]),
            Route("/v1/erasures", Endpoint(partial(_take_erasure, show)), methods=["POST"]),
            Route("/health", _health),
        ]
    )


async def _take_events(show: Show, body: bytes) -> bytes:
    batch = decode(_batch, body)
    check_size(len(batch.events))
    for number, event in enumerate(batch.events, 1):
        show(bytes(event), f"{batch.tool}: event {number} of {len(batch.events)}")
    return msgspec.json.encode({"accepted": len(batch.events), "dropped": []})


async def _take_command(show: Show, body: bytes) -> bytes:
    decode(_object, body)
    show(body, "a command of the wolkenkit CLI")
    return b'{"accepted":1,"dropped":[]}'


async def _take_erasure(show: Show, body: bytes) -> bytes:
    request = decode(_erasure, body)
    show(body, f"{request.tool}: asks to be forgotten")
    return b'{"erased":0}'


async def _health(_request: Request) -> Response:
    return JSONResponse({"status": "ok"})
