"""TLS between a socket and a connection at the door.

The loop's own TLS costs as much again as the handshake itself, on a connection that brings one
request and goes. This does what the door needs and no more; `bench/ingest.py` measures it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from typing import Any

from askfirst.collector.connection import Connection
from askfirst.collector.entrance import Entrance

HANDSHAKE_SECONDS = 10.0
READ_BYTES = 64 * 1024


class Secure(asyncio.Protocol):
    """The socket's protocol, and the transport of the `Connection` that begins once the client has
    shaken hands.
    """

    def __init__(self, entrance: Entrance, context: ssl.SSLContext) -> None:
        self._entrance = entrance
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._until = time.monotonic() + HANDSHAKE_SECONDS
        self._connection: Connection | None = None
        self._is_over = False

    # asyncio's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        if self._entrance.is_full():
            self.abort()
        else:
            self._entrance.handshakes.add(self)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._in.write(data)
        try:
            if self._connection is None:
                self._tls.do_handshake()
                self._flush()
                self._entrance.handshakes.discard(self)
                self._connection = self._entrance.connection()
                self._connection.connection_made(self)
            self._read(self._connection)
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._flush()  # it may hold an alert that says why
            self._is_over = True
            self._transport.close()

    def _read(self, connection: Connection) -> None:
        while not self._is_over and (self._in.pending or self._tls.pending()):
            data = self._tls.read(READ_BYTES)
            if not data:  # the client has said that no more comes
                connection.eof_received()
                self.close()
                return
            connection.data_received(data)

    def eof_received(self) -> bool:
        if self._connection is not None:
            self._connection.eof_received()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = True
        self._entrance.handshakes.discard(self)
        if self._connection is not None:
            self._connection.connection_lost(error)
            self._connection = None  # it knows this: what a handshake left would wait for the gc

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.resume_writing()

    def look_at_clock(self, now: float) -> None:
        """Give up on a client that does not come to an end with its handshake."""
        if now > self._until:
            self.abort()

    # The connection's side: what it uses of a transport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes) -> None:
        if not self._is_over:
            self._tls.write(data)  # into memory, which takes everything
            self._flush()

    def can_write_eof(self) -> bool:
        return False  # TLS has no half of a connection

    def write_eof(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        with suppress(ssl.SSLError):  # the client's own end need not be waited for
            self._tls.unwrap()
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._is_over = True
        self._transport.abort()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def _flush(self) -> None:
        if self._out.pending:
            self._transport.write(self._out.read())
