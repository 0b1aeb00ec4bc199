"""Bytes between a client at the door and the application behind it.

The first line on the application's side says who the client is, since its socket does not:
`<scheme> <address> <port>`. In the style of HAProxy's PROXY protocol, with the scheme.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askfirst.collector.secure import Secure

UNAVAILABLE = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 10\r\n"
    b'content-length: 45\r\nconnection: close\r\n\r\n{"error": "the collector is not ready there"}'
)


def first_line(scheme: str, address: str, port: int) -> bytes:
    """Return what is sent ahead of a client's bytes."""
    return f"{scheme} {address or '-'} {port}\r\n".encode("ascii")


class Tunnel(asyncio.Protocol):
    """The application's end of a tunnel; the client's end is `client`."""

    def __init__(self, client: asyncio.Transport | Secure, application: str) -> None:
        self._client = client
        self._application = application
        self._transport: asyncio.Transport | None = None
        self._waiting: list[bytes] = []
        self._closed = False
        self._opening: asyncio.Task[None] | None = None
        self.moved_at = time.monotonic()  # when the last bytes went through

    def open(self, scheme: str, address: str, port: int, data: bytes) -> None:
        """Connect, and pass on the first bytes that came."""
        self._waiting = [first_line(scheme, address, port), data]
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
        self.moved_at = time.monotonic()
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Hang up: the client did."""
        self._closed = True
        if self._transport is not None:
            self._transport.close()

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
        self.moved_at = time.monotonic()
        self._client.write(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._client.close()

    def pause_writing(self) -> None:
        with suppress(RuntimeError):
            self._client.pause_reading()

    def resume_writing(self) -> None:
        with suppress(RuntimeError):
            self._client.resume_reading()
