"""`exchange`: what a server or a proxy may answer, byte for byte, on a real socket."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING

import pytest

from askfirst.client import exchange
from askfirst.client.exchange import BadAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Ours, and the server's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


def answered(ends: Ends, raw: bytes, *, more: bool = False) -> tuple[int, dict[str, str], bytes]:
    """What is read of an answer, after which the server says no more, or (`more`) may."""
    ours, theirs = ends
    theirs.sendall(raw)
    if not more:
        theirs.shutdown(socket.SHUT_WR)
    return exchange.post(ours, "/v1/events", {"Host": "x"}, b"{}")


def test_the_request_is_all_there(ends: Ends) -> None:
    answered(ends, b"HTTP/1.1 204 No Content\r\n\r\n")
    assert ends[1].recv(1000) == (
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 200, b"abc"),
        (b"HTTP/1.0 200\r\ncontent-length:3\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc", 200, b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 200, b"abc"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 429 Too Many\r\n\r\n", 429, b""),
        (
            (
                b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: Chunked\r\n\r\n"
                b"3;name=value\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
            ),
            503,
            b"abc0123456789",
        ),
    ],
)
def test_an_answer_is_read(ends: Ends, raw: bytes, status: int, body: bytes) -> None:
    assert answered(ends, raw)[::2] == (status, body)


def test_an_answer_of_known_length_is_not_waited_beyond(ends: Ends) -> None:
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRETRY-after:  7 \r\n\r\n{}"
    _, headers, body = answered(ends, raw, more=True)
    assert body == b"{}"
    assert headers == {"content-length": "2", "retry-after": "7"}


@pytest.mark.parametrize(
    "framing", ["Content-Length: 3000000", "Transfer-Encoding: chunked", "X: y"]
)
def test_no_more_is_read_than_a_megabyte(
    ends: Ends, framing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "MOST_BODY", 100)
    raw = b"HTTP/1.1 200 OK\r\n" + framing.encode() + b"\r\n\r\n"
    raw += b"12c\r\n" * framing.endswith("chunked") + b"x" * 300 + b"\r\n"
    assert answered(ends, raw)[2] == b"x" * 100


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 fine\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nName: " + b"x" * 65_536 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_said_to_be_none(ends: Ends, raw: bytes) -> None:
    with pytest.raises(BadAnswerError):
        answered(ends, raw)


def ask_a_server(ours: socket.socket) -> None:
    exchange.post(ours, "/v1/events", {"Host": "x"}, b"{}")


def ask_a_proxy(ours: socket.socket) -> None:
    exchange.tunnel(ours, "example.org", 443, {})


@pytest.mark.parametrize("ask", [ask_a_server, ask_a_proxy])
def test_an_answer_that_drips_is_given_up(
    ends: Ends, monkeypatch: pytest.MonkeyPatch, ask: Callable[[socket.socket], None]
) -> None:
    """All of it is there; but a clock that goes on by 10 s at each look finds it too slow."""
    moments = itertools.count(0, 10)
    monkeypatch.setattr(exchange, "monotonic", lambda: next(moments))
    ours, theirs = ends
    theirs.sendall(b"HTTP/1.1 200 OK\r\n" + b"name: %b\r\n" % (b"x" * 9_000) * 4 + b"\r\n")
    with pytest.raises(TimeoutError, match="takes too long"):
        ask(ours)


def test_a_proxy_is_asked_for_a_tunnel(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    exchange.tunnel(ours, "::1", 443, {"Proxy-Authorization": "Basic eDp5"})
    assert theirs.recv(1000) == (
        b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
    )


def test_a_proxy_that_refuses_is_an_error(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    with pytest.raises(OSError, match="the proxy answered 407"):
        exchange.tunnel(ours, "example.org", 443, {})


@pytest.mark.parametrize(
    ("host", "port", "usual", "spelled"),
    [
        ("example.org", 443, 443, "example.org"),
        ("example.org", 8443, 443, "example.org:8443"),
        ("::1", 443, 443, "[::1]"),
        ("::1", 80, 443, "[::1]:80"),
    ],
)
def test_hosts_and_ports_are_spelled(host: str, port: int, usual: int, spelled: str) -> None:
    assert exchange.authority(host, port, usual) == spelled
