"""Runs a collector on a socket of ours until it is told to stop.

The application listens on a socket in a private folder; what clients reach is the door in front of
it, in this process or in workers.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from askfirst.collector import lean, tls, worker
from askfirst.collector.collector import Collector
from askfirst.collector.entrance import Entrance
from askfirst.collector.private import reason_of
from askfirst.collector.renewal import Files, Renewal
from askfirst.collector.workers import WorkerError, Workers, bound

KEEP_ALIVE_SECONDS = 15
LONGEST_FIRST_LINE = 128
LONGEST_BASE = 70  # bytes of the folder for temporary files, with which a socket can have its path


class ServerError(Exception):
    """The server cannot start; one line that says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that has an address to listen on; port 0 takes a free one.

    It does not listen yet: with several workers each does so on a socket of its own. Raises
    ServerError.
    """
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if port:  # one that others may share would be had even while somebody listens there
            socket.create_server((host, port), family=family).close()
        return bound(family, (host, port))
    except socket.gaierror as error:
        raise ServerError(f"{host} is no address of this machine: {error.strerror}") from error
    except (OSError, OverflowError) as error:
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise ServerError(
            f"{host} port {port} cannot be used: {reason}; choose another with --port"
        ) from error


def url_of(listener: socket.socket, *, tls: bool) -> str:
    """Return the URL under which a browser on this machine reaches a socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


class _Behind(HttpToolsProtocol):
    """An application's connection that comes through a tunnel, whose first line says from whom.

    `port` is that of the door: the application's own socket has none.
    """

    port = 0
    _head: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            super().data_received(data)
            return
        self._head += data
        line, end, rest = self._head.partition(b"\r\n")
        if not end:
            if len(line) > LONGEST_FIRST_LINE:
                self.transport.close()
            return
        self._head = None
        scheme, address, port = line.decode("ascii").split(" ")
        self.scheme = "https" if scheme == "https" else "http"
        self.client = (address, int(port))
        self.server = ("", self.port)  # no host: one that a request does not name is not made up
        super().data_received(rest)


class _Plain(uvicorn.Server):
    """uvicorn, which says when it has begun."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()


class _Server(uvicorn.Server):
    """uvicorn, with a door in front of it."""

    def __init__(
        self,
        config: uvicorn.Config,
        collector: Collector,
        listener: socket.socket,
        files: Files,
        started: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self.problem = ""
        self._collector = collector
        self._listener = listener
        self._files = files
        self._tell = started
        self._ending: list[Callable[[], Awaitable[None]]] = []
        self._door: asyncio.AbstractServer | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        assert sockets
        renewal = Renewal(self._collector, self._files)
        try:
            renewal.context = await self._open(os.fspath(sockets[0].getsockname()))
        except (WorkerError, tls.TlsError) as error:
            self.problem = str(error)
            self.should_exit = True
            return
        self._renewing = asyncio.create_task(renewal.watch())
        self._tell()

    async def _open(self, application: str) -> ssl.SSLContext | None:
        """Let events in, here or in workers; return the TLS context of this process, if any."""
        collector, pair = self._collector, self._files.pair
        if collector.config.workers > 1:
            workers = Workers(collector, self._listener, application, pair)
            self._ending.append(workers.stop)
            await workers.start()
            collector.hire(workers)
            return None
        context = tls.context_of(*pair) if pair else None
        scheme = "https" if context else "http"
        entrance = Entrance(collector.door, application, scheme, worker.most_connections())
        self._ending.append(lambda: entrance.drain(worker.GRACE_SECONDS))
        self._door = await worker.open_door(entrance, self._listener, context)
        collector.entrance = entrance
        return context

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        if self._door is not None:
            self._door.close()
        self._listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # when its answer is out; a tunnel would never end by itself
        await asyncio.gather(*(end() for end in self._ending))
        await super().shutdown(sockets)


def run_plain(app: ASGIApp, listener: socket.socket, started: Callable[[], None]) -> None:
    """Serve an application without a door until SIGTERM or SIGINT. Raises ServerError."""
    server = _Plain(_quiet(app), started)
    server.run(sockets=[listener])
    if not server.started:
        raise ServerError("the server did not start; the lines above say why")


def run(app: Any, listener: socket.socket, started: Callable[[], None], files: Files) -> None:
    """Serve until SIGTERM or SIGINT; answer what is in flight; end the application; return.

    `app` is what `build_app` returned. Nothing is logged about requests: an access log would hold
    addresses. `started` is called once requests are answered. Raises ServerError if it does not
    come to that.
    """
    lean.go_without_pandas()
    lean.give_back_memory()
    sys.setswitchinterval(worker.SWITCH_SECONDS)

    class BehindThisDoor(_Behind):
        port = listener.getsockname()[1]

    config = _quiet(app, BehindThisDoor)
    base = tempfile.gettempdir()
    if len(os.fsencode(base)) > LONGEST_BASE:
        base = "/tmp"  # noqa: S108 - the folder in it is for this user alone
    with tempfile.TemporaryDirectory(prefix="askfirst-", dir=base) as folder:
        application = socket.socket(socket.AF_UNIX)
        application.bind(os.path.join(folder, "application"))  # noqa: PTH118 - at most 107 bytes
        application.listen(worker.BACKLOG)
        server = _Server(config, app.state.collector, listener, files, started)
        server.run(sockets=[application])
    if server.problem or not server.started:
        raise ServerError(server.problem or "the collector did not start; the lines above say why")


def _quiet(app: ASGIApp, protocol: type[HttpToolsProtocol] = HttpToolsProtocol) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=protocol,
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(worker.GRACE_SECONDS),
    )


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGINT into SystemExit(0), so that whatever is open is closed.

    uvicorn handles them while it serves, and raises them again when it is done.
    """
    numbers = (signal.SIGTERM, signal.SIGINT)

    def leave(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)  # impatience must not cut the closing short
        raise SystemExit(0)

    previous = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
