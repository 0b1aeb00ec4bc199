"""Servers that answer and do nothing, to hold the collector's door against.

A protocol on the same parser and the same loop, and two peers from PyPI that end TLS themselves:
granian (in Rust) with its RSGI, and uvicorn with plain ASGI. Each is one process that serves.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import installed
import trustme

HANDLER = "empty handler"
GRANIAN = "granian 2.8, RSGI, an empty handler"
UVICORN = "uvicorn 0.54, plain ASGI, an empty handler"
PEERS = ("granian", "uvicorn", "uvloop", "httptools")
START_SECONDS = 30.0

OURS = """
import asyncio, sys, httptools, ssl, uvloop
ANSWER = (b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: 27\\r\\n\\r\\n"
          b'{"accepted":1,"dropped":[]}')
class Empty(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_message_complete(self):
        self.transport.write(ANSWER)
        if not self.parser.should_keep_alive():
            self.transport.close()
async def main():
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0
        context.load_cert_chain("cert.pem", "key.pem")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Empty, "127.0.0.1", int(sys.argv[1]), ssl=context)
    await server.serve_forever()
uvloop.run(main())
"""
APPLICATIONS = """
BODY = b'{"accepted":1,"dropped":[]}'
async def rsgi(scope, protocol):
    await protocol()
    protocol.response_bytes(200, [("content-type", "application/json")], BODY)
async def asgi(scope, receive, send):
    await receive()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"27")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": BODY})
"""


class Server:
    """A server on loopback: where it is, and what it and its children took so far."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self.url = url
        self._process = process

    def processor_seconds(self) -> float:
        """Return the processor time of all its processes."""
        numbers = [self._process.pid, *children(self._process.pid)]
        return sum(map(processor_seconds, numbers))


@contextmanager
def serving(name: str, *, tls: bool = False) -> Iterator[Server]:
    """Run one of HANDLER, GRANIAN and UVICORN; the peers always speak TLS."""
    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as text:
        folder = Path(text)
        certificate(folder)
        (folder / "applications.py").write_text(APPLICATIONS)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        tls = tls or name != HANDLER
        process = subprocess.Popen(
            COMMANDS[name](port, tls=tls), cwd=folder, start_new_session=True
        )
        try:
            _wait_for(int(port), process)
            yield Server(process, f"{'https' if tls else 'http'}://127.0.0.1:{port}")
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # granian's worker outlives granian
            process.wait()


def certificate(folder: Path) -> list[str]:
    """Make a certificate of the kind that is usual now (ECDSA P-256); return our options for it."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    return ["--tls-cert", "cert.pem", "--tls-key", "key.pem"]


def processor_seconds(number: int) -> float:
    """Return what a process took so far, its own and the kernel's part."""
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(number: int) -> list[int]:
    """Return the processes that a process has started."""
    found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(text) for text in found]


def _handler(port: str, *, tls: bool) -> Sequence[str | Path]:
    return [sys.executable, "-c", OURS, port, *(["tls"] if tls else [])]


def _granian(port: str, *, tls: bool) -> Sequence[str | Path]:
    assert tls
    return [
        _peers() / "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", port,
        "--workers", "1", "--loop", "uvloop", "--no-log", "--ssl-certificate", "cert.pem",
        "--ssl-keyfile", "key.pem", "applications:rsgi",
    ]  # fmt: skip


def _uvicorn(port: str, *, tls: bool) -> Sequence[str | Path]:
    assert tls
    return [
        _peers() / "uvicorn", "--host", "127.0.0.1", "--port", port, "--lifespan", "off",
        "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "error",
        "--ssl-certfile", "cert.pem", "--ssl-keyfile", "key.pem", "applications:asgi",
    ]  # fmt: skip


COMMANDS: dict[str, Callable[..., Sequence[str | Path]]] = {
    HANDLER: _handler,
    GRANIAN: _granian,
    UVICORN: _uvicorn,
}


def _peers() -> Path:
    return installed.environment("servers", *PEERS).parent


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"{process.args} does not answer")
