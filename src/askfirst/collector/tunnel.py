"""Bytes between a client at the door and the application behind it.

The first line on the application's side says who the client is, since its socket does not:
`<scheme> <address> <port>`. In the style of HAProxy's PROXY protocol, with the scheme.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askfirst.collector.secure import Secure

SILENT_SECONDS = 120.0  # without a byte, in the middle of a request or of its answer
# Between the two: a backup or an erasure of a large store takes minutes, and `askfirst store` waits
# this long for it. Who sends no whole request does not get it.
ANSWER_SECONDS = 3600.0
_FRAMED = re.compile(rb"[\r\n](?:content-length|transfer-encoding)", re.IGNORECASE)
_LENGTH = re.compile(rb"[\r\n]content-length:[ \t]*(\d{1,15})[ \t]*(?:[\r\n]|\Z)", re.IGNORECASE)
UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 10\r\n"
    b'content-length: 45\r\nconnection: close\r\n\r\n{"error": "the collector is not ready there"}'
)


def first_line(scheme: str, address: str, port: int) -> bytes:
    """Return what is sent ahead of a client's bytes."""
    return f"{scheme} {address or '-'} {port}\r\n".encode("ascii")


def body_bytes(head: bytes) -> float:
    """Return how many bytes follow the head of a request; infinity if it does not say so plainly.

    The application reads the head for itself; this only decides how long its answer may take.
    """
    framed = len(_FRAMED.findall(head))
    length = _LENGTH.search(head)
    if not framed:
        return 0
    return int(length[1]) if length and framed == 1 else math.inf


class Tunnel(asyncio.Protocol):
    """The application's end of a tunnel; the client's end is `client`."""

    def __init__(self, client: asyncio.Transport | Secure, application: str) -> None:
        self._client = client
        self._application = application
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._closed = False
        self._opening: asyncio.Task[None] | None = None
        self._lacking = math.inf  # bytes of the request that the client has not sent yet
        self._is_answering = False
        self._moved_at = time.monotonic()  # when the last bytes went through

    def open(self, scheme: str, address: str, port: int, data: bytes) -> None:
        """Connect, and pass on the first bytes that came."""
        self._waiting = [first_line(scheme, address, port), data]
        head, _, body = data.partition(b"\r\n\r\n")
        self._lacking = body_bytes(head) - len(body)
        self._client.pause_reading()
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_unix_connection(lambda: self, self._application)
        except OSError:
            self._client.write(UNAVAILABLE)
            self._client.close()

    def write(self, data: bytes) -> None:
        """Pass on what the client sent."""
        self._moved_at = time.monotonic()
        self._lacking -= len(data)
        self._is_answering = False
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Hang up: the client did."""
        self._closed = True
        if self._transport is not None:
            self._transport.close()

    def is_stuck(self, now: float) -> bool:
        """Tell whether nothing has gone through for too long (`now` as of `time.monotonic`)."""
        is_asked = self._lacking <= 0 and not self._is_answering
        return now - self._moved_at > (ANSWER_SECONDS if is_asked else SILENT_SECONDS)

    def pause_reading(self) -> None:
        """The client takes no more for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """The client takes more."""
        if self._transport is not None:
            self._transport.resume_reading()

    # asyncio's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        if self._closed:
            transport.close()
            return
        transport.write(b"".join(self._waiting))
        self._waiting = []
        self._client.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._moved_at = time.monotonic()
        self._is_answering = True
        self._client.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._client.close()

    def pause_writing(self) -> None:
        with suppress(RuntimeError):
            self._client.pause_reading()

    def resume_writing(self) -> None:
        with suppress(RuntimeError):
            self._client.resume_reading()
