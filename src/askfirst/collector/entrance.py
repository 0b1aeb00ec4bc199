"""What the connections at a process's door share, and what becomes of them in the end."""

from __future__ import annotations

import asyncio
import email.utils
import time
from typing import TYPE_CHECKING

from askfirst.collector.connection import UNDER_WAY, Connection
from askfirst.collector.door import Door
from askfirst.collector.heads import Heads, Way
from askfirst.collector.singles import Singles

if TYPE_CHECKING:
    from askfirst.collector.secure import Secure

SWEEP_SECONDS = 1.0


class Entrance:
    """What all connections of a process share: the door, the way to the application, the clock.

    `application` is the path of the socket on which the application listens; `scheme` is how
    clients reach this process.
    """

    def __init__(self, door: Door, application: str, scheme: str, most: int) -> None:
        self.door = door
        self.application = application
        self.scheme = scheme
        self.most = most
        self.connections: set[Connection] = set()
        self.handshakes: set[Secure] = set()
        self.bodies_bytes = 0
        self.closing = False
        self.date = b""
        self.heads = Heads()
        # the answer to so many events, for a second; and the same on a connection that ends with it
        self.accepted: dict[int, bytes] = {}
        self.accepted_last: dict[int, bytes] = {}
        self.ways = {
            b"POST %s " % path.encode(): Way(
                path,
                take,
                door.metrics.cell("askfirst_requests_total", route=path, status="200"),
                singles,
            )
            for path, take, singles in (
                ("/v1/events", door.take_events, Singles(door)),
                ("/v1/command", door.take_command, None),
            )
        }
        self._sweeper: asyncio.TimerHandle | None = None
        self.sweep()

    def connection(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self)

    def is_full(self) -> bool:
        """Tell whether one more client is too many."""
        return self.closing or len(self.connections) + len(self.handshakes) >= self.most

    def sweep(self) -> None:
        """End the connections whose time is up; again every SWEEP_SECONDS."""
        self.date = email.utils.formatdate(usegmt=True).encode()
        self.accepted, self.accepted_last = {}, {}
        now = time.monotonic()
        for connection in list(self.connections):
            connection.look_at_clock(now)
        for handshake in list(self.handshakes):
            handshake.look_at_clock(now)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self.sweep)

    async def drain(self, seconds: float) -> None:
        """Answer what has begun, for at most `seconds`; then close every connection."""
        self.closing = True
        end = time.monotonic() + seconds
        for connection in list(self.connections):
            connection.close_if_idle()
        while any(row.stage in UNDER_WAY for row in self.connections):
            if time.monotonic() > end:
                break
            await asyncio.sleep(0.02)
        for handshake in list(self.handshakes):
            handshake.abort()
        for connection in list(self.connections):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
