"""A JSON request at the door: read within limits, answered in JSON, without a framework between."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import ceil

import msgspec
from starlette.types import Receive, Scope, Send

from askfirst.collector.log import LogError

COMPRESSED_BYTES = 1024 * 1024
EXPANDED_BYTES = 8 * 1024 * 1024
BODY_SECONDS = 30.0  # a client that takes longer to send its batch starts again

Handler = Callable[[bytes], Awaitable[bytes]]
Wait = Callable[[str, "str | None", "str | None"], float]


class Refusal(Exception):  # noqa: N818 - the name says what the sender gets
    """A request that is not taken: `status`, and one sentence that says what to do."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.error = error
        self.headers = headers or {}
        super().__init__(error)


class ClientGone(Exception):  # noqa: N818
    """The client hung up before its request was whole; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """How a body comes: as gzip or as it is, and how many bytes of it are read."""

    gzip: bool
    most_bytes: int

    def too_large(self) -> Refusal:
        """Return the refusal of a body that is longer."""
        return _too_large()


_PLAIN, _GZIP = Encoded(False, EXPANDED_BYTES), Encoded(True, COMPRESSED_BYTES)


def announced(content_type: bytes, content_encoding: bytes) -> Encoded:
    """Read what the headers of a request say about its body. Raises Refusal (415)."""
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise Refusal(415, "send JSON, with Content-Type: application/json")
    encoding = content_encoding.strip().lower()
    if encoding in (b"", b"identity"):
        return _PLAIN
    if encoding == b"gzip":
        return _GZIP
    raise Refusal(415, "send the body as it is, or with Content-Encoding: gzip")


def expand(body: bytes, encoded: Encoded) -> bytes:
    """Return the JSON text of a body. Raises Refusal (400, 413)."""
    return _expand(body) if encoded.gzip else body


def refusal_body(refusal: Refusal) -> bytes:
    """Return what a client is told in JSON."""
    return msgspec.json.encode({"error": refusal.error})


class Endpoint:
    """An ASGI application around a handler: body in, what to answer in JSON out.

    `wait` says how long a client has to wait (seconds) from its address and its headers.
    """

    def __init__(self, handler: Handler, wait: Wait = lambda *_: 0.0) -> None:
        self._handler = handler
        self._wait = wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Mapping[str, str] = {}
        try:
            self._check_rate(scope)
            body = await self._handler(await read_body(scope, receive))
            status = 200
        except ClientGone:
            return
        except Refusal as refusal:
            status, body, headers = refusal.status, refusal_body(refusal), refusal.headers
        except LogError as error:
            status, body = 503, refusal_body(Refusal(503, str(error)))
            headers = {"retry-after": str(error.retry_after)}
        await answer(send, status, body, headers)

    def _check_rate(self, scope: Scope) -> None:
        rows = dict(scope["headers"])
        told = (rows.get(b"forwarded"), rows.get(b"x-forwarded-for"))
        client = scope.get("client") or ("", 0)
        wait = self._wait(
            client[0], *(None if row is None else row.decode("latin-1") for row in told)
        )
        if wait:
            raise too_many(wait)


def too_many(wait: float) -> Refusal:
    """Return the refusal of a client that has to wait so many seconds."""
    later = {"retry-after": str(ceil(wait))}
    return Refusal(429, "these are too many requests; try again later", later)


async def answer(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Send JSON."""
    rows = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    rows += [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": rows})
    await send({"type": "http.response.body", "body": body})


async def read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the JSON text of a request. Raises Refusal (408, 413, 415, 400) or ClientGone."""
    headers = dict(scope["headers"])
    encoded = announced(headers.get(b"content-type", b""), headers.get(b"content-encoding", b""))
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > encoded.most_bytes:
        raise _too_large()
    try:
        body = await asyncio.wait_for(_receive(receive, encoded.most_bytes), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise Refusal(408, "the body did not come in time; send it again") from None
    return expand(body, encoded)


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
