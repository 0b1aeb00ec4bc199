"""A connection at the door, in this process; `hostile/` has what strangers do to a real one."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from askfirst.collector import tunnel
from askfirst.collector.config import Limits
from askfirst.collector.connection import Stage
from askfirst.collector.entrance import Entrance
from askfirst.collector.log import LogFull
from askfirst.contract.event import now_ms
from tests.collector.serving import DEADLINE

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
WHOLE = {
    "no body": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a body": b"POST /v1/store/backup HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "no bytes": b"POST /v1/store/check HTTP/1.1\r\ncontent-length:0 \r\nHost: localhost\r\n\r\n",
}
HALF = {
    "a byte is missing": b"POST /login HTTP/1.1\r\nContent-Length: 5\r\n\r\n1234",
    "it says two things": b"POST /login HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "in chunks": b"POST /login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "both": b"POST /login HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "odd line ends": b"POST /login HTTP/1.1\r\nA: b\nContent-Length: 5\r\n\r\n",
    "no number": b"POST /login HTTP/1.1\r\nContent-Length: 0x0\r\n\r\n",
    "too many digits": b"POST /login HTTP/1.1\r\nContent-Length: " + b"0" * 9999 + b"\r\n\r\n",
}


@dataclass
class Way:
    """A client, and the application's end of its tunnel."""

    entrance: Entrance
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    inner: asyncio.StreamReader
    answer: asyncio.StreamWriter


@asynccontextmanager
async def tunnelled(api: Any, folder: Path, request: bytes) -> AsyncIterator[Way]:
    """Send a request through a tunnel to an application that has read all of it."""
    come: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readline()).startswith(b"http 127.0.0.1 ")
        line, _, rest = request.partition(b"\r\n")
        assert await reader.readline() == line + b"\r\n"
        await reader.readexactly(len(b"connection: close\r\n" + rest))
        come.put_nowait((reader, writer))

    application = await asyncio.start_unix_server(take, folder / "application")
    entrance = Entrance(api.collector.door, str(folder / "application"), "http", 10)
    front = await asyncio.get_running_loop().create_server(entrance.connection, "127.0.0.1", 0)
    port = front.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    inner, answer = await asyncio.wait_for(come.get(), DEADLINE)
    assert [row.stage for row in entrance.connections] == [Stage.TUNNEL]
    try:
        yield Way(entrance, reader, writer, inner, answer)
    finally:
        for stream in (writer, answer):
            stream.close()
        front.close()
        application.close()
        await entrance.drain(0)


async def is_closed(way: Way) -> bool:
    """Tell whether both ends of a tunnel have ended."""
    try:
        left = await asyncio.wait_for(way.reader.read(), DEADLINE)
    except ConnectionResetError:
        left = b""
    return left == b"" and await asyncio.wait_for(way.inner.read(), DEADLINE) == b""


@pytest.mark.parametrize("request_", HALF.values(), ids=HALF)
def test_a_tunnel_through_which_no_whole_request_comes_is_closed(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    async def scenario() -> None:
        async with tunnelled(api, tmp_path, request_) as way:
            way.entrance.sweep()
            assert [row.stage for row in way.entrance.connections] == [Stage.TUNNEL]
            monkeypatch.setattr(tunnel, "SILENT_SECONDS", -1.0)
            way.entrance.sweep()
            assert await is_closed(way)

    asyncio.run(scenario())


@pytest.mark.parametrize("request_", WHOLE.values(), ids=WHOLE)
def test_an_answer_may_take_longer_than_a_tunnel_may_be_silent(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    async def scenario() -> None:
        async with tunnelled(api, tmp_path, request_) as way:
            monkeypatch.setattr(tunnel, "SILENT_SECONDS", -1.0)
            way.entrance.sweep()
            assert [row.stage for row in way.entrance.connections] == [Stage.TUNNEL]
            way.answer.write(BEGUN)
            assert await asyncio.wait_for(way.reader.readexactly(len(BEGUN)), DEADLINE) == BEGUN
            way.entrance.sweep()  # but once it has begun it must go on
            assert await is_closed(way)

    asyncio.run(scenario())


def test_a_body_that_comes_in_parts_is_whole_with_the_last_one(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = b"POST /v1/store/erase HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"

    async def scenario() -> None:
        async with tunnelled(api, tmp_path, head) as way:
            way.answer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.wait_for(way.reader.readuntil(b"\r\n\r\n"), DEADLINE)
            for part in (b"{ ", b" }"):
                way.writer.write(part)
                assert await asyncio.wait_for(way.inner.readexactly(2), DEADLINE) == part
            monkeypatch.setattr(tunnel, "SILENT_SECONDS", -1.0)
            way.entrance.sweep()
            assert [row.stage for row in way.entrance.connections] == [Stage.TUNNEL]
            monkeypatch.setattr(tunnel, "ANSWER_SECONDS", -1.0)
            way.entrance.sweep()
            assert await is_closed(way)

    asyncio.run(scenario())


@pytest.mark.parametrize("refuses", ["append", "fsync"])
def test_what_the_log_refused_does_not_use_up_the_cap_of_a_day(
    make_api: Callable[..., Any],
    contract: Any,
    event: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    refuses: str,
) -> None:
    now = now_ms()
    api = make_api(contract, limits=Limits(events_per_day=1), now=lambda: now)
    body = json.dumps({"tool": "stratus", "events": [event()]}).encode()
    head = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    async def scenario() -> list[bytes]:
        entrance = Entrance(api.collector.door, str(tmp_path / "nobody"), "http", 10)
        front = await asyncio.get_running_loop().create_server(entrance.connection, "127.0.0.1", 0)
        port = front.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)

        async def send() -> bytes:
            writer.write(request)
            told = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE)
            length = int(told.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return told.partition(b"\r\n")[0] + await reader.readexactly(length)

        with monkeypatch.context() as patch:
            if refuses == "append":
                patch.setattr(api.collector.log, "append", _refuse)
            else:
                patch.setattr(os, "fsync", _no_space)
            answers = [await send(), await send()]
        answers += [await send(), await send()]
        writer.close()
        front.close()
        await entrance.drain(0)
        return answers

    refused, again, taken, too_many = asyncio.run(scenario())
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert again == refused
    assert b'{"accepted":1,"dropped":[]}' in taken
    assert b"daily-cap" in too_many


def _refuse(*_: Any, **__: Any) -> None:
    raise LogFull("more arrives than the disk takes; try again")


def _no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
