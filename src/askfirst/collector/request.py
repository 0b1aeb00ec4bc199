"""A JSON request at the door: read within limits, answered in JSON, without a framework between."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.types import Receive, Scope, Send

from askfirst.collector.log import LogError

COMPRESSED_BYTES = 1024 * 1024
EXPANDED_BYTES = 8 * 1024 * 1024
BODY_SECONDS = 30.0  # a client that takes longer to send its batch starts again

Handler = Callable[[bytes], Awaitable[object]]


class Refusal(Exception):  # noqa: N818 - the name says what the sender gets
    """A request that is not taken: `status`, and one sentence that says what to do."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.error = error
        self.headers = headers or {}
        super().__init__(error)


class ClientGone(Exception):  # noqa: N818
    """The client hung up before its request was whole; there is nobody to answer."""


class Endpoint:
    """An ASGI application around a handler: body in, what to answer in JSON out."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Mapping[str, str] = {}
        try:
            status, value = 200, await self._handler(await read_body(scope, receive))
        except ClientGone:
            return
        except Refusal as refusal:
            status, value, headers = refusal.status, {"error": refusal.error}, refusal.headers
        except LogError as error:
            status, value = 503, {"error": str(error)}
            headers = {"retry-after": str(error.retry_after)}
        await answer(send, status, value, headers)


async def answer(send: Send, status: int, value: object, headers: Mapping[str, str]) -> None:
    """Send a value as JSON."""
    body = msgspec.json.encode(value)
    rows = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    rows += [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": rows})
    await send({"type": "http.response.body", "body": body})


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the JSON text of a request. Raises Refusal (408, 413, 415, 400) or ClientGone."""
    headers = dict(scope["headers"])
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Refusal(415, "send JSON, with Content-Type: application/json")
    encoding = headers.get(b"content-encoding", b"identity").strip().lower()
    if encoding not in (b"identity", b"gzip"):
        raise Refusal(415, "send the body as it is, or with Content-Encoding: gzip")
    limit = COMPRESSED_BYTES if encoding == b"gzip" else EXPANDED_BYTES
    announced = headers.get(b"content-length", b"0")
    if announced.isdigit() and int(announced[:20]) > limit:
        raise _too_large()
    try:
        body = await asyncio.wait_for(_receive(receive, limit), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise Refusal(408, "the body did not come in time; send it again") from None
    return _expand(body) if encoding == b"gzip" else body


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
            raise _too_large()
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _expand(data: bytes) -> bytes:
    """Undo gzip (RFC 1952), never past the limit."""
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(data, EXPANDED_BYTES + 1)
    except zlib.error:
        raise Refusal(400, "the body is not gzip, though Content-Encoding says so") from None
    if len(text) > EXPANDED_BYTES:
        raise _too_large()
    if not stream.eof or stream.unused_data:
        raise Refusal(400, "the body is not one whole gzip member; send it whole")
    return text


def _too_large() -> Refusal:
    return Refusal(
        413,
        f"send at most {COMPRESSED_BYTES} bytes with gzip and {EXPANDED_BYTES} bytes without; "
        "split the batch",
    )
