"""Slow clients: each part of a request has its time, however steadily bytes drip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import trustme

from tests.collector.hostile.wire import (
    EVENTS,
    JSON,
    Reply,
    Wire,
    batch,
    collector,
    complaints,
    healthy,
    parse,
    request,
)
from tests.collector.serving import DEADLINE, Server

pytestmark = pytest.mark.slow

# not less: an honest client, too, is kept waiting now and then where much is done
QUICK = ("--header-seconds", "2", "--body-seconds", "2", "--idle-seconds", "2")
HEAD = f"POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
PAUSE = 0.05


@pytest.fixture(scope="module", name="shared")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with collector(tmp_path_factory.mktemp("slow"), *QUICK) as server:
        yield server


def drip(wire: Wire, data: bytes) -> list[Reply]:
    """Send a byte, over and over, until the server ends it; return its answers.

    What is sent would last for hours, so only the server's clock can end it.
    """
    end = time.monotonic() + DEADLINE
    place = 0
    while not wire.ended:
        assert time.monotonic() < end, "the server waits for ever"
        wire.send(data[place % len(data) :][:1])
        place += 1
        wire.fill(PAUSE)
    replies = []
    while (found := parse(wire.buffer)) is not None:
        reply, wire.buffer = found
        replies.append(reply)
    return replies


@pytest.mark.parametrize(
    "start",
    [b"", b"GET /health HTTP/1.1\r\nX-Long: ", HEAD + b"X-Long: "],
    ids=["line", "header", "header of a batch"],
)
def test_headers_that_drip_are_cut_off(server: Server, start: bytes) -> None:
    with Wire(server.url) as wire:
        wire.send(start)
        assert [reply.status for reply in drip(wire, b"x")] in ([], [408])


def test_blank_lines_that_drip_are_cut_off(server: Server) -> None:
    with Wire(server.url) as wire:
        assert [reply.status for reply in drip(wire, b"\r\n")] in ([], [400], [408])


def test_the_headers_of_a_second_request_have_no_more_time(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(request("GET", "/health", b""))
        assert wire.reply().status == 200
        wire.send(b"GET /hea")
        assert [reply.status for reply in drip(wire, b"x")] in ([], [408])


def test_a_body_that_drips_is_cut_off(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(HEAD + b"Content-Length: 1000000\r\n\r\n")
        assert [reply.status for reply in drip(wire, b" ")] in ([], [408])


def test_chunks_that_drip_are_cut_off(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        assert [reply.status for reply in drip(wire, b"1\r\n \r\n")] in ([], [408])


@pytest.mark.parametrize("part", [b"0", b"1;x"], ids=["zeros", "an extension"])
def test_a_chunk_without_a_beginning_is_cut_off(server: Server, part: bytes) -> None:
    with Wire(server.url) as wire:
        wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + part)
        for _ in range(20):
            wire.send(part[-1:] * 100_000)
        assert [reply.status for reply in drip(wire, part[-1:])] in ([], [400], [408], [413], [431])


def test_trailers_that_drip_are_cut_off(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Long: ")
        assert [reply.status for reply in drip(wire, b"x")] in ([], [400], [408], [431])


def test_a_body_nobody_wants_is_not_waited_for(server: Server) -> None:
    """It was answered, or will not be: either way the connection ends."""
    for line in (b"GET /health", b"POST /nothing", b"PUT /v1/events", b"POST /v1/events"):
        with Wire(server.url) as wire:
            wire.send(line + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            statuses = [reply.status for reply in drip(wire, b" ")]
            assert statuses in ([], [200], [404], [405], [408], [413], [415]), line


@pytest.mark.parametrize("requests", [0, 1, 3])
def test_an_idle_connection_is_closed(server: Server, requests: int) -> None:
    with Wire(server.url) as wire:
        for _ in range(requests):
            wire.send(request(body=batch()))
            assert wire.reply().status == 200
        assert [reply.status for reply in wire.rest()] in ([], [408])


def test_half_a_request_and_then_nothing_is_cut_off(server: Server) -> None:
    whole = request(body=batch())
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(server.url)) for _ in range(3)]
        for wire, end in zip(wires, (1, 30, len(whole) - 1), strict=True):
            wire.send(whole[:end])
        for wire in wires:
            assert [reply.status for reply in wire.rest()] in ([], [408])


def test_leave_to_send_does_not_last(server: Server) -> None:
    rows = {**JSON, "Expect": "100-continue", "Content-Length": "1000"}
    with Wire(server.url) as wire:
        wire.send(request(body=b"", headers=rows, length=False))
        assert wire.reply().status == 100
        assert [reply.status for reply in wire.rest()] in ([], [408])


def test_a_client_that_takes_no_answer_does_not_hold_the_others(server: Server) -> None:
    wires = [Wire(server.url) for _ in range(50)]
    try:
        for wire in wires:
            wire.send(request("GET", "/openapi.json", b""))
        healthy(server)
    finally:
        for wire in wires:
            wire.socket.close()


def test_slow_but_steady_is_fast_enough(server: Server) -> None:
    """A client on a bad line gets through as long as it keeps to each limit."""
    whole = request(body=batch())
    with Wire(server.url) as wire:
        for place in range(0, len(whole), len(whole) // 10):
            wire.send(whole[place : place + len(whole) // 10])
            wire.fill(0.02)
        assert wire.reply().json()["accepted"] == 1


def test_a_handshake_that_does_not_come_is_cut_off(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("tls")
    issued = trustme.CA().issue_cert("127.0.0.1")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    words = (*QUICK, "--tls-cert", str(certificate), "--tls-key", str(key))
    with collector(folder, *words) as server:
        with ExitStack() as stack:
            wires = [stack.enter_context(Wire(server.url)) for _ in range(3)]
            starts = (b"", bytes.fromhex("160301"), b"GET / HTTP/1.1\r\n\r\n")
            for wire, start in zip(wires, starts, strict=True):
                wire.send(start)
            for wire in wires:
                while not wire.ended:
                    assert wire.fill() or wire.ended, "the server waits for ever"
        assert server.process.poll() is None
        assert complaints(server) == []
