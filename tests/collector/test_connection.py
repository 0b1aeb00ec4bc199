"""A connection at the door, in this process; `hostile/` has what strangers do to a real one."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from askfirst.collector import connection
from askfirst.collector.config import Limits
from askfirst.collector.connection import Stage
from askfirst.collector.entrance import Entrance
from askfirst.collector.log import LogFull
from tests.collector.serving import DEADLINE


def test_a_tunnel_through_which_nothing_goes_is_closed(
    api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> bytes:
        asked, ended = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert (await reader.readline()).startswith(b"http 127.0.0.1 ")
            asked.set()
            await reader.read()  # until the tunnel ends
            writer.close()
            await writer.wait_closed()
            ended.set()

        application = await asyncio.start_unix_server(silent, tmp_path / "application")
        entrance = Entrance(api.collector.door, str(tmp_path / "application"), "http", 10)
        front = await asyncio.get_running_loop().create_server(entrance.connection, "127.0.0.1", 0)
        port = front.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.wait_for(asked.wait(), DEADLINE)
        entrance.sweep()
        assert [row.stage for row in entrance.connections] == [Stage.TUNNEL]
        monkeypatch.setattr(connection, "TUNNEL_SECONDS", -1.0)
        entrance.sweep()
        try:
            left = await asyncio.wait_for(reader.read(), DEADLINE)
        except ConnectionResetError:
            left = b""
        writer.close()
        await asyncio.wait_for(ended.wait(), DEADLINE)
        front.close()
        application.close()
        await entrance.drain(0)
        return left

    assert asyncio.run(scenario()) == b""


@pytest.mark.parametrize("refuses", ["append", "fsync"])
def test_what_the_log_refused_does_not_use_up_the_cap_of_a_day(
    make_api: Callable[..., Any],
    contract: Any,
    event: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    refuses: str,
) -> None:
    api = make_api(contract, limits=Limits(events_per_day=1))
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


def _refuse(*_: Any) -> None:
    raise LogFull("more arrives than the disk takes; try again")


def _no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
