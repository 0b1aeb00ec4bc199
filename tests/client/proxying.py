"""A proxy as companies run them: a process that serves only who gives its name and password.

`python proxying.py NAME:PASSWORD` prints its port, then one line for each request. It reaches every
host name on loopback, at the port that was asked for.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 120


class Proxy(NamedTuple):
    """A running proxy: where it is, and what it was asked for."""

    port: int
    process: subprocess.Popen[str]

    def seen(self) -> str:
        """Return the next request: its first line, and whether it was let through."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")


@contextmanager
def proxy(credentials: str) -> Iterator[Proxy]:
    """Run a proxy that demands `name:password`."""
    with subprocess.Popen(
        [sys.executable, __file__, credentials], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield Proxy(int(process.stdout.readline()), process)
        finally:
            process.terminate()


async def serve(credentials: str) -> None:
    demanded = b"basic " + base64.b64encode(credentials.encode())

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(_handle(reader, writer, demanded), PATIENCE_S)
        except (OSError, asyncio.IncompleteReadError):
            _say("broken off")
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    _say(str(server.sockets[0].getsockname()[1]))
    async with server:
        await server.serve_forever()


async def _handle(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, demanded: bytes
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    method, target, _ = first.split(b" ")
    fields = dict(line.split(b": ", 1) for line in lines)
    given = fields.pop(b"Proxy-Authorization", b"")
    allowed = given[:6].lower() + given[6:] == demanded
    _say(f"{first.decode()} {'let through' if allowed else 'refused'}")
    if not allowed:
        answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n"
        writer.write(answer + b'Proxy-Authenticate: Basic realm="proxy"\r\n\r\n')
        await writer.drain()
        return
    if method == b"CONNECT":
        port = int(target.rpartition(b":")[2])
        there, back = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    else:
        parts = urlsplit(target.decode())
        there, back = await asyncio.open_connection("127.0.0.1", parts.port or 80)
        rest = b"".join(b"%b: %b\r\n" % field for field in fields.items())
        back.write(b"%b %b HTTP/1.1\r\n%b\r\n" % (method, (parts.path or "/").encode(), rest))
    try:
        # http.client closes its side first, once it has the answer
        up = asyncio.ensure_future(_copy(reader, back))
        down = asyncio.ensure_future(_copy(there, writer))
        done, waiting = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for task in done:
            task.result()
    finally:
        back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - for the test that started this


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
