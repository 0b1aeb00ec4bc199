"""A JSON request as ASGI brings it, answered without a framework between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.types import Receive, Scope, Send

from askfirst.collector.log import LogError
from askfirst.collector.request import (
    Refusal,
    expand,
    most_bytes,
    refusal_body,
    too_large,
    too_many,
)

Handler = Callable[[bytes], Awaitable[bytes]]
# a peer's address, its Forwarded and its X-Forwarded-For header -> seconds it has to wait
Wait = Callable[[str, "str | None", "str | None"], float]


class ClientGone(Exception):  # noqa: N818
    """The client hung up before its request was whole; there is nobody to answer."""


class Endpoint:
    """An ASGI application around a handler: body in, the JSON text of the answer out."""

    def __init__(
        self, handler: Handler, wait: Wait = lambda *_: 0.0, body_seconds: float = 30.0
    ) -> None:
        self._handler = handler
        self._wait = wait
        self._body_seconds = body_seconds  # a client that takes longer starts again

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Mapping[str, str] = {}
        try:
            self._check_rate(scope)
            status, body = (
                200,
                await self._handler(await _read_body(scope, receive, self._body_seconds)),
            )
        except ClientGone:
            return
        except Refusal as refusal:
            status, body, headers = refusal.status, refusal_body(refusal), refusal.headers
        except LogError as error:
            status, body = 503, refusal_body(Refusal(503, str(error)))
            headers = {"retry-after": str(error.retry_after)}
        await _send(send, status, body, headers)

    def _check_rate(self, scope: Scope) -> None:
        peer, _ = scope.get("client") or ("", 0)
        told = [_joined(scope, name) for name in (b"forwarded", b"x-forwarded-for")]
        wait = self._wait(peer, *told)
        if wait:
            raise too_many(wait)


def _joined(scope: Scope, name: bytes) -> str | None:
    """Return a header as if it had come in one line, which means the same (RFC 9110, 5.2)."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return ", ".join(lines) if lines else None


async def _send(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    rows = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    rows += [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": rows})
    await send({"type": "http.response.body", "body": body})


async def _read_body(scope: Scope, receive: Receive, seconds: float) -> bytes:
    """Return the JSON text of a request. Raises Refusal (408, 413, 415, 400) or ClientGone."""
    headers = dict(scope["headers"])
    encoding = headers.get(b"content-encoding", b"")
    announced = headers.get(b"content-length", b"")
    limit = most_bytes(headers.get(b"content-type", b""), encoding, announced)
    try:
        body = await asyncio.wait_for(_receive(receive, limit), seconds)
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
