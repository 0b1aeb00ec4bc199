"""Thousands of connections that want nothing, and one client that does."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.collector.hostile.wire import Wire, collector, healthy, memory, request, settled
from tests.collector.serving import Server, wait_until

CROWD = 2_000
STARTS = (b"", b"POST /v1/events HT", request(headers={"Content-Length": "100"}, length=False))

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _many_files() -> Iterator[None]:
    """Allow this process, and the collector that it starts, as many sockets as it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CROWD + 500
    assert hard == resource.RLIM_INFINITY or hard >= wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def gather(stack: ExitStack, server: Server, number: int) -> list[Wire]:
    crowd = [stack.enter_context(Wire(server.url)) for _ in range(number)]
    for place, wire in enumerate(crowd):
        wire.send(STARTS[place % len(STARTS)])
    return crowd


def test_an_honest_client_is_served_in_a_crowd(tmp_path: Path) -> None:
    with collector(tmp_path) as server, ExitStack() as stack:
        settled(server)
        before = memory(server, "VmRSS")
        gather(stack, server, CROWD)
        for _ in range(5):
            healthy(server)
        assert memory(server, "VmRSS") - before < CROWD * 50_000


def test_the_crowd_is_sent_away(tmp_path: Path) -> None:
    quick = ("--header-seconds", "2", "--body-seconds", "2", "--idle-seconds", "2")
    with collector(tmp_path, *quick) as server, ExitStack() as stack:
        crowd = gather(stack, server, CROWD)
        healthy(server)
        wait_until(lambda: all(_ended(wire) for wire in crowd))
        healthy(server)


def test_a_crowd_beyond_what_the_system_allows_waits_and_the_server_lives(tmp_path: Path) -> None:
    """Out of file descriptors, nobody new gets in; once the crowd leaves, everybody does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    with collector(tmp_path) as server:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        crowd = []
        for _ in range(400):
            wire = socket.socket()
            wire.setblocking(False)
            wire.connect_ex(("127.0.0.1", int(server.url.rpartition(":")[2])))
            crowd.append(wire)
        for wire in crowd:
            wire.close()
        wait_until(lambda: _served(server))
        assert server.process.poll() is None


def _served(server: Server) -> bool:
    with Wire(server.url) as wire:
        wire.send(request())
        return [reply.status for reply in wire.until(1)] == [200]


def _ended(wire: Wire) -> bool:
    while not wire.ended and wire.fill(0.001):
        pass
    return wire.ended
