"""A head that is remembered means what it meant when it was parsed, whatever comes near it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.collector import heads
from askfirst.collector.config import Limits
from askfirst.collector.door import Door
from askfirst.collector.entrance import Entrance
from askfirst.collector.heads import Heads
from askfirst.collector.log import Log
from askfirst.collector.metrics import Metrics
from tests.collector import bodies

BODY = b'{"tool":"stratus","events":[]}'
PLAIN = (
    b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n"
)


class Client:
    """The other end of a connection, in memory."""

    def __init__(self, peer: str = "127.0.0.1") -> None:
        self.peer = peer
        self.got = b""
        self.is_open = True

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return (self.peer, 1)

    def write(self, data: bytes) -> None:
        self.got += data

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self.is_open = False

    abort = pause_reading = resume_reading = close


class NoLog(Log):
    """Takes everything at once: what is looked at here is what comes before it."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []

    def append(self, payload: bytes, done: Any) -> None:
        self.payloads.append(payload)
        done(None)


def entrance_of(**limits: Any) -> Entrance:
    door = Door(NoLog(), bodies.CONTRACTS, Limits(**limits), Metrics(), lambda: bodies.NOW)
    return Entrance(door, "/nowhere", "http", 10)


def exchange(entrance: Entrance, pieces: Sequence[bytes], peer: str = "127.0.0.1") -> bytes:
    """Send pieces, and return what was answered, without the date."""
    client = Client(peer)
    connection = entrance.connection()
    connection.connection_made(client)  # type: ignore[arg-type]
    for piece in pieces:
        if client.is_open:
            connection.data_received(piece)
    connection.connection_lost(None)
    assert entrance.bodies_bytes == 0
    return re.sub(rb"date: [^\r]*", b"", client.got) + (b"" if client.is_open else b" closed")


def test_the_second_request_needs_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        entrance = entrance_of()
        first = exchange(entrance, [PLAIN % len(BODY) + BODY])
        monkeypatch.setattr(heads.Heads, "learn", None)  # what is parsed comes here
        assert exchange(entrance, [PLAIN % len(BODY) + BODY]) == first
        longer = BODY + b" " * 100
        assert exchange(entrance, [PLAIN % len(longer) + longer]) == first
        whole = PLAIN % len(longer) + longer
        for cut in (len(whole) - 120, len(whole) - 1):
            assert exchange(entrance, [whole[:cut], whole[cut:]]) == first
        other = PLAIN.replace(b"Host: a", b"Host: b") % len(BODY) + BODY
        assert b" 400 " in exchange(entrance, [other])

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-For: 203.0.113.171",
        b"Forwarded: for=203.0.113.171",
        b"Expect: 100-continue",
        b"X-Anything: 1",
        b"User-Agent: " + b"x" * heads.LONGEST,
    ],
)
def test_what_may_name_a_client_or_change_the_meaning_is_not_remembered(line: bytes) -> None:
    async def scenario() -> None:
        entrance = entrance_of()
        head = PLAIN.replace(b"Host", line + b"\r\nHost")
        assert b" 200 OK" in exchange(entrance, [head % len(BODY) + BODY])
        assert entrance.heads.find(head % len(BODY) + BODY) is None

    asyncio.run(scenario())


def test_a_head_in_pieces_is_not_remembered_by_its_first() -> None:
    async def scenario() -> None:
        entrance = entrance_of()
        head = PLAIN % len(BODY)
        one, two = head[:-2], b"Content-Encoding: gzip\r\n\r\n"
        assert b" 400 " in exchange(entrance, [one[:-2], b"\r\n" + two + BODY])
        assert entrance.heads.find(head + BODY) is None
        assert b" 200 OK" in exchange(entrance, [head + BODY])

    asyncio.run(scenario())


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST", 3)

    async def scenario() -> None:
        entrance = entrance_of()
        for number in range(10):
            head = PLAIN.replace(b"Host: a", b"Host: %d" % number)
            exchange(entrance, [head % len(BODY) + BODY])
            assert len(entrance.heads._known) <= 3

    asyncio.run(scenario())


def test_a_known_head_does_not_get_round_the_limit_of_a_client() -> None:
    async def scenario() -> None:
        entrance = entrance_of(requests_per_minute=1, burst=2)
        request = [PLAIN % len(BODY) + BODY]
        answers = [exchange(entrance, request, "203.0.113.171") for _ in range(4)]
        assert [answer.split()[1] for answer in answers] == [b"200", b"200", b"429", b"429"]

    asyncio.run(scenario())


def test_nothing_but_digits_is_a_length() -> None:
    for text in (b"", b" 5", b"+5", b"5 ", b"0x5", b"5, 5", b"\xb2", b"99999999"):
        known = Heads()
        known._known[b"GET / HTTP/1.1\r\nContent-Length: \r\nHost: a"] = None  # type: ignore[assignment]
        data = b"GET / HTTP/1.1\r\nContent-Length: " + text + b"\r\nHost: a\r\n\r\n"
        assert known.find(data) is None


names = st.sampled_from(
    [b"Host", b"host", b"Content-Type", b"Content-Length", b"content-length", b"Content-Encoding",
     b"Connection", b"User-Agent", b"Transfer-Encoding", b"X-Forwarded-For", b"Expect", b"Accept"]
)  # fmt: skip
values = st.sampled_from(
    [b"", b"a", b"application/json", b"gzip", b"identity", b"close", b"keep-alive", b"chunked",
     b"30", b"5", b"0", b"100-continue", b"a: b", b"\r\nContent-Length: 30", b" 30", b"30 "]
)  # fmt: skip
lines = st.lists(st.tuples(names, values).map(lambda row: b"%s: %s" % row), max_size=4)
usual = [b"Content-Type: application/json", b"Content-Length: 30"]


@given(
    first=lines, second=lines, where=st.integers(0, 2), cut=st.integers(0, 200), more=st.booleans()
)
@settings(max_examples=50, deadline=None)
def test_what_came_before_makes_no_difference(
    first: list[bytes], second: list[bytes], where: int, cut: int, more: bool
) -> None:
    def request(added: list[bytes]) -> bytes:
        rows = [b"POST /v1/events HTTP/1.1", *usual[:where], *added, *usual[where:]]
        return b"\r\n".join(rows) + b"\r\n\r\n" + BODY + (b"{" if more else b"")

    async def scenario() -> None:
        warm = entrance_of()
        for added in ([], first, second, first):
            whole = request(added)
            at = min(cut, len(whole))
            for pieces in ([whole], [whole[:at], whole[at:]]):
                assert exchange(warm, pieces) == exchange(entrance_of(), pieces)

    asyncio.run(scenario())
