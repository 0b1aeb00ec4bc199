"""TLS at the door: a handshake, a request, an end; and clients that keep to none of it."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from askfirst.collector import secure, tls, worker
from askfirst.collector.entrance import Entrance
from askfirst.collector.server import listen
from tests.collector.serving import DEADLINE, make_event

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Scenario = Callable[[Entrance, int, ssl.SSLContext], Awaitable[None]]


@pytest.fixture
def at_door(api: Any, tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario against a door that speaks TLS."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pair.pem")
    context = tls.context_of(str(tmp_path / "pair.pem"), str(tmp_path / "pair.pem"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def run(scenario: Scenario) -> None:
        entrance = Entrance(api.collector.door, str(tmp_path / "application"), "https", 3)
        listener = listen("127.0.0.1", 0)
        server = await worker.open_door(entrance, listener, context)
        try:
            port = listener.getsockname()[1]
            await asyncio.wait_for(scenario(entrance, port, trusting), DEADLINE)
        finally:
            server.close()
            await entrance.drain(0)
        assert not entrance.handshakes
        assert entrance.bodies_bytes == 0

    return lambda scenario: asyncio.run(run(scenario))


def request(events: int, *, close: bool = False) -> bytes:
    body = json.dumps({"tool": "stratus", "events": [make_event() for _ in range(events)]}).encode()
    end = b"Connection: close\r\n" if close else b""
    return (
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n%s"
        b"Content-Length: %d\r\n\r\n%s" % (end, len(body), body)
    )


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what it looks at tells nobody
        await asyncio.sleep(0.01)


def test_batches_of_any_size_are_taken_one_after_another(at_door: Any) -> None:
    async def scenario(entrance: Entrance, port: int, trusting: ssl.SSLContext) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        for events in (1, 900, 1):  # 900 are many records of TLS
            writer.write(request(events))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            answer = await reader.readuntil(b"}")
            assert json.loads(answer)["accepted"] == events
        writer.close()
        await until(lambda: not entrance.connections)

    at_door(scenario)


def test_the_end_is_said_in_tls_too(at_door: Any) -> None:
    def talk(port: int, trusting: ssl.SSLContext) -> bytes:
        # False: an end of the connection that TLS does not know of is an error
        how: Any = {"server_hostname": "127.0.0.1", "suppress_ragged_eofs": False}
        with (
            socket.create_connection(("127.0.0.1", port)) as bare,
            trusting.wrap_socket(bare, **how) as client,
        ):
            client.sendall(request(2, close=True))
            return b"".join(iter(lambda: client.recv(4096), b""))

    async def scenario(_entrance: Entrance, port: int, trusting: ssl.SSLContext) -> None:
        answer = await asyncio.to_thread(talk, port, trusting)
        assert b"connection: close\r\n" in answer
        assert answer.endswith(b'{"accepted":2,"dropped":[]}')

    at_door(scenario)


def test_what_is_no_handshake_ends_and_harms_nobody(at_door: Any) -> None:
    async def scenario(entrance: Entrance, port: int, trusting: ssl.SSLContext) -> None:
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + bytes(100), b"\0" * 6):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(data)
            if writer.can_write_eof():
                writer.write_eof()
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
        await until(lambda: not entrance.handshakes)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.close()

    at_door(scenario)


def test_a_handshake_that_does_not_come_to_an_end_is_cut_off(
    at_door: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(entrance: Entrance, port: int, _trusting: ssl.SSLContext) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: len(entrance.handshakes) == 1)
        entrance.sweep()
        assert len(entrance.handshakes) == 1
        [handshake] = entrance.handshakes
        monkeypatch.setattr(handshake, "_until", 0.0)
        entrance.sweep()
        with suppress(ConnectionResetError):  # which is an end too
            assert await reader.read() == b""
        writer.close()

    assert secure.HANDSHAKE_SECONDS <= 10
    at_door(scenario)


def test_handshakes_count_against_the_most_connections(at_door: Any) -> None:
    async def scenario(entrance: Entrance, port: int, _trusting: ssl.SSLContext) -> None:
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        await until(lambda: len(entrance.handshakes) == 3)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        assert len(entrance.handshakes) == 3
        for _, one in (*clients, (reader, writer)):
            one.close()
        await until(lambda: not entrance.handshakes)

    at_door(scenario)


def test_a_client_that_hangs_up_within_a_body_leaves_nothing(at_door: Any) -> None:
    async def scenario(entrance: Entrance, port: int, trusting: ssl.SSLContext) -> None:
        for _ in range(2):  # the second time the head is known
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
            writer.write(request(200)[:30_000])
            await until(lambda: entrance.bodies_bytes > 20_000)
            writer.close()
            await until(lambda: not entrance.connections)
            assert entrance.bodies_bytes == 0

    at_door(scenario)
