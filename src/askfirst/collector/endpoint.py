"""A JSON request as ASGI brings it, answered without a framework between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.types import Receive, Scope, Send

from askfirst.collector.collector import Collector
from askfirst.collector.ingest import Taken, answer
from askfirst.collector.log import LogError
from askfirst.collector.request import Refusal, expand, most_bytes, too_large

BODY_SECONDS = 30.0  # a client that takes longer to send its batch starts again

Handler = Callable[[bytes], Awaitable[object]]


class ClientGone(Exception):  # noqa: N818
    """The client hung up before its request was whole; there is nobody to answer."""


class Endpoint:
    """An ASGI application around a handler: body in, what to answer in JSON out."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Mapping[str, str] = {}
        try:
            status, value = 200, await self._handler(await _read_body(scope, receive))
        except ClientGone:
            return
        except Refusal as refusal:
            status, value, headers = refusal.status, {"error": refusal.error}, refusal.headers
        except LogError as error:
            status, value = 503, {"error": str(error)}
            headers = {"retry-after": str(error.retry_after)}
        await _send(send, status, value, headers)


async def keep(collector: Collector, taken: Taken) -> object:
    """Bring what was taken to the log, count it, and return the answer."""
    if taken.payload:
        await collector.log.append(taken.payload)
    collector.metrics.add("askfirst_events_accepted_total", taken.accepted, tool=taken.tool)
    for _, reason in taken.dropped:
        collector.metrics.add("askfirst_events_dropped_total", tool=taken.tool, reason=reason.value)
    return msgspec.Raw(answer(taken))


async def _send(send: Send, status: int, value: object, headers: Mapping[str, str]) -> None:
    body = msgspec.json.encode(value)
    rows = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    rows += [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": rows})
    await send({"type": "http.response.body", "body": body})


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the JSON text of a request. Raises Refusal (408, 413, 415, 400) or ClientGone."""
    headers = dict(scope["headers"])
    encoding = headers.get(b"content-encoding", b"")
    announced = headers.get(b"content-length", b"")
    limit = most_bytes(headers.get(b"content-type", b""), encoding, announced)
    try:
        body = await asyncio.wait_for(_receive(receive, limit), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise Refusal(408, "the body did not come in time; send it again") from None
    return expand(body, encoding)


async def _receive(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
