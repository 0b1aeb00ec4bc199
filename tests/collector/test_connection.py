"""A connection at the door, in this process; `hostile/` has what strangers do to a real one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from askfirst.collector import connection
from askfirst.collector.connection import Stage
from askfirst.collector.entrance import Entrance
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
