"""Who sends too much: told to wait, whatever its headers claim, and nobody else with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from askfirst.collector import limits
from tests.collector.hostile.wire import JSON, NOTHING, Wire, collector, healthy, request
from tests.collector.serving import Server

pytestmark = pytest.mark.slow

PER_MINUTE, BURST = 1, 100  # who was refused a moment ago is refused for a minute
MOST = BURST + 5 * PER_MINUTE  # a test is over within 5 minutes
OPTIONS = ("--requests-per-minute", str(PER_MINUTE), "--burst", str(BURST))


@pytest.fixture(scope="module", name="shared")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rates")
    with collector(folder, "--trusted-proxy", "127.0.0.1/32", *OPTIONS) as server:
        yield server


def flood(
    server: Server, headers: dict[str, str], number: int = MOST, source: str = "127.0.0.1"
) -> int:
    """Send empty batches on one connection until one is refused; return how many were taken."""
    with Wire(server.url, source) as wire:
        for taken in range(number):
            wire.send(request(headers={**JSON, **headers}))
            reply = wire.reply()
            if reply.status != 200:
                assert reply.status == 429
                assert int(reply.headers["retry-after"]) >= 1
                assert list(reply.json()) == ["error"]
                return taken
            if reply.headers.get("connection", "").lower() == "close":
                raise AssertionError("an honest client may keep its connection")
    return number


def refused(server: Server, headers: dict[str, str], source: str = "127.0.0.1") -> bool:
    return flood(server, headers, 1, source) == 0


@pytest.mark.parametrize(
    ("headers", "same", "other"),
    [
        (
            {"X-Forwarded-For": "203.0.113.1"},
            {"X-Forwarded-For": "198.51.100.1, 203.0.113.1"},
            {"X-Forwarded-For": "203.0.113.1, 203.0.113.2"},
        ),
        (
            {"Forwarded": "for=203.0.113.3;proto=https"},
            {"Forwarded": 'for=unknown, For="203.0.113.3:4711"'},
            {"Forwarded": "for=203.0.113.4"},
        ),
        (
            {"X-Forwarded-For": "2001:db8:1:1::1"},
            {"Forwarded": 'for="[2001:db8:1:1:ffff::2]:80"'},
            {"X-Forwarded-For": "2001:db8:1:2::1"},
        ),
        (
            {"X-Forwarded-For": "nonsense"},
            {"Forwarded": "nonsense"},
            {"X-Forwarded-For": "203.0.113.5"},
        ),
    ],
    ids=["X-Forwarded-For", "Forwarded", "IPv6", "nonsense"],
)
def test_a_client_behind_our_proxy_is_limited_and_no_other(
    server: Server, headers: dict[str, str], same: dict[str, str], other: dict[str, str]
) -> None:
    assert BURST <= flood(server, headers) < MOST
    assert refused(server, same)
    assert not refused(server, other)
    assert not refused(server, {})


ERASURE = b'{"tool":"stratus","installationId":"%s"}' % (b"9d" * 32)
WAYS = pytest.mark.parametrize(
    ("target", "body"),
    [("/v1/events", NOTHING), ("/v1/erasures", ERASURE)],
    ids=["at the door", "behind it"],
)


@WAYS
def test_two_lines_of_one_header_are_one_list(server: Server, target: str, body: bytes) -> None:
    """Else a client writes the first line, and its proxy the one that nobody reads."""
    client = "203.0.113.20" if body is NOTHING else "203.0.113.21"
    flood(server, {"X-Forwarded-For": client})
    for lines in (("198.51.100.9", client), (client, "127.0.0.1"), (client, "127.0.0.1,127.0.0.1")):
        with Wire(server.url) as wire:
            rows = {**JSON, "X-Forwarded-For": lines[0], "x-forwarded-for": lines[1]}
            wire.send(request("POST", target, body, rows))
            assert wire.reply().status == 429, lines


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For"])
@pytest.mark.parametrize("value", ["", " ", ",", "\xff", '"', "for="])
@WAYS
def test_no_header_makes_it_fail(
    server: Server, name: str, value: str, target: str, body: bytes
) -> None:
    with Wire(server.url) as wire:
        wire.send(request("POST", target, body, {**JSON, name: value}))
        assert wire.reply().status in (200, 429)


def test_what_others_say_about_themselves_is_not_believed(server: Server) -> None:
    """127.0.0.9 is no proxy of ours; it is on this machine, so it has no limits."""
    headers = {"X-Forwarded-For": "203.0.113.30", "Forwarded": "for=203.0.113.30"}
    assert flood(server, headers, source="127.0.0.9") == MOST
    assert not refused(server, {"X-Forwarded-For": "203.0.113.30"})


def test_this_machine_has_no_limits_and_no_header_gives_it_one(tmp_path: Path) -> None:
    with collector(tmp_path, *OPTIONS) as server:
        assert flood(server, {}) == MOST
        assert flood(server, {"X-Forwarded-For": "203.0.113.1"}) == MOST
        healthy(server)


def test_erasures_are_dearer(server: Server) -> None:
    body = b'{"tool":"stratus","installationId":"%s"}' % (b"9d" * 32)
    headers = {**JSON, "X-Forwarded-For": "203.0.113.40"}
    statuses = []
    while 429 not in statuses and len(statuses) < BURST:
        with Wire(server.url) as wire:
            wire.send(request("POST", "/v1/erasures", body, headers))
            statuses.append(wire.reply().status)
    assert statuses[-1] == 429
    assert statuses.count(200) >= BURST // limits.ERASURE_COST
