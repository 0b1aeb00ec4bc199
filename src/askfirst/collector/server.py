"""Runs an ASGI application on a socket of ours until it is told to stop."""

from __future__ import annotations

import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 2048
GRACE_SECONDS = 20  # what is in flight at the end may take this long


class ServerError(Exception):
    """The server cannot start; one line that says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises ServerError."""
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise ServerError(f"{host} is no address of this machine: {error.strerror}") from error
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServerError(
            f"{host} port {port} cannot be used: {reason}; choose another with --port"
        ) from error


def check_certificate(certificate: str, key: str) -> None:
    """Raise ServerError unless a certificate and its key can be used."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key, password=lambda: b"")  # never ask a terminal
    except OSError as error:  # ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ServerError(
            f"the certificate {certificate} with the key {key} cannot be used: {reason}"
        ) from error


def url_of(listener: socket.socket, *, tls: bool) -> str:
    """Return the URL under which a browser on this machine reaches a socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - read, not bound
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell()


def run(
    app: ASGIApp,
    listener: socket.socket,
    started: Callable[[], None],
    *,
    certificate: str | None = None,
    key: str | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; answer what is in flight; end the application; return.

    Nothing is logged about requests: an access log would hold addresses. `started` is called once
    requests are answered. Raises ServerError if the application does not start.
    """
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="error",
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, started)
    server.run(sockets=[listener])
    if not server.started:
        raise ServerError("the collector did not start; the lines above say why")


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
