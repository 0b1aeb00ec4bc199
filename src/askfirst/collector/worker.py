"""A process that only takes events: a door, a log of its own, and a way to the collector.

The collector starts it, tells it over a socket what to do, one JSON object a line, and is told what
the operator should know. When that socket closes, the collector is gone and the worker ends too.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from askfirst.collector import tls
from askfirst.collector.config import Limits
from askfirst.collector.door import Door
from askfirst.collector.entrance import Entrance
from askfirst.collector.log import Log, LogError
from askfirst.collector.metrics import Counts, Metrics
from askfirst.collector.secure import Secure
from askfirst.contract.event import now_ms
from askfirst.contract.model import Contract

GRACE_SECONDS = 20.0  # what is in flight at the end may take this long
ORPHAN_SECONDS = 3.0  # and this long when the collector died: the next one waits for the log
BACKLOG = 2048
SWITCH_SECONDS = 0.0005


class Setup(msgspec.Struct):
    """What a worker is told first. Sizes in bytes."""

    log_folder: str
    contracts: list[dict[str, Any]]
    limits: Limits
    application: str
    segment_bytes: int
    waiting_bytes: int
    quota_bytes: int
    pair: tuple[str, str] | None = None  # the certificate and its key


class Order(msgspec.Struct, omit_defaults=True):
    """What a worker is told later: `what` is roll, count, agree, renew or stop."""

    what: str
    contracts: list[dict[str, Any]] = []


class Report(msgspec.Struct, omit_defaults=True):
    """What a worker says: `what` is ready, say or counts."""

    what: str
    text: str = ""
    counts: Counts = []
    waiting: int = 0
    connections: int = 0
    ready: bool = True


class Worker:
    """The parts of a worker process."""

    def __init__(self, setup: Setup, writer: asyncio.StreamWriter) -> None:
        self._setup = setup
        self._writer = writer
        self._metrics = Metrics()
        self._loop = asyncio.get_running_loop()
        self._log = Log(
            Path(setup.log_folder),
            segment_bytes=setup.segment_bytes,
            waiting_bytes=setup.waiting_bytes,
            quota_bytes=setup.quota_bytes,
            commit=self._metrics.commit,
            say=self._say,
        )
        self._door = Door(
            self._log, contracts_of(setup.contracts), setup.limits, self._metrics, now_ms
        )
        self._context = tls.context_of(*setup.pair) if setup.pair else None
        scheme = "https" if self._context else "http"
        self._entrance = Entrance(self._door, setup.application, scheme, most_connections())

    async def serve(self, listener: socket.socket, reader: asyncio.StreamReader) -> None:
        """Take events until told to stop."""
        server = await open_door(self._entrance, listener, self._context)
        self._report(Report("ready"))
        grace = ORPHAN_SECONDS
        async for line in reader:
            order = msgspec.json.decode(line, type=Order)
            if order.what == "stop":
                grace = GRACE_SECONDS
                break
            self._follow(order)
        server.close()
        await self._entrance.drain(grace)
        await asyncio.to_thread(self._log.close)

    def _follow(self, order: Order) -> None:
        if order.what == "roll":
            self._log.roll()
        elif order.what == "agree":
            self._door.agree(contracts_of(order.contracts))
        elif order.what == "renew" and self._context and self._setup.pair:
            try:
                tls.renew(self._context, *self._setup.pair)
            except tls.TlsError as error:
                self._report(Report("say", str(error)))
        elif order.what == "count":
            self._report(
                Report(
                    "counts",
                    counts=self._metrics.counts(),
                    waiting=self._log.waiting(),
                    connections=len(self._entrance.connections),
                    ready=not self._log.trouble,
                )
            )

    def _say(self, text: str) -> None:
        with suppress(RuntimeError):  # the loop is closed: it ends
            self._loop.call_soon_threadsafe(self._report, Report("say", text))

    def _report(self, report: Report) -> None:
        self._writer.write(msgspec.json.encode(report) + b"\n")


async def open_door(
    entrance: Entrance, listener: socket.socket, context: ssl.SSLContext | None
) -> asyncio.AbstractServer:
    """Begin to accept connections on a listening socket."""
    return await asyncio.get_running_loop().create_server(
        (lambda: Secure(entrance, context)) if context else entrance.connection,
        sock=listener,
        backlog=BACKLOG,
    )


def contracts_of(rows: list[dict[str, Any]]) -> list[Contract]:
    """Return contracts from what `Contract.as_dict` gave."""
    return [Contract.from_dict(row) for row in rows]


def most_connections() -> int:
    """Return how many connections a process takes: what its files allow, less its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(hard if hard > 0 else 65_536, 65_536) // 2 - 64  # a tunnel needs two


def main() -> None:
    """Run a worker; the descriptors of its two sockets are its arguments."""
    # a terminal or a service manager may send these to all processes; the collector decides
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    listener, orders = (socket.socket(fileno=int(text)) for text in sys.argv[1:3])
    run(_main(listener, orders))


def run(coroutine: Any) -> None:
    """Run a coroutine on the fastest loop there is."""
    # The thread that writes the log asks for the interpreter some times for each fsync; at the
    # usual 5 ms each, its waiting would be most of what a request waits.
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # what is loaded by now stays; there is no use in looking through it again
    try:
        import uvloop
    except ImportError:  # not on every platform
        asyncio.run(coroutine)
    else:
        uvloop.run(coroutine)


async def _main(listener: socket.socket, orders: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=orders, limit=16 * 1024 * 1024)
    try:
        setup = msgspec.json.decode(await reader.readline(), type=Setup)
        worker = Worker(setup, writer)
    except (LogError, OSError, tls.TlsError) as error:
        writer.write(msgspec.json.encode(Report("say", str(error))) + b"\n")
        await writer.drain()
        return
    await worker.serve(listener, reader)


if __name__ == "__main__":
    main()
