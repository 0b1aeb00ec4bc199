"""nginx and Caddy as configured in ops/: events arrive, limits are each client's, no address stays.

Clients come from addresses of this machine's loopback network, which is what the proxies see.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path

import pytest

from askfirst.collector.config import Limits
from askfirst.collector.request import EXPANDED_BYTES
from tests.collector.retrying import free_port
from tests.collector.serving import CONTRACT, Server, servers, wait_until
from tests.ops.provocations import (
    FORWARDING,
    LASTING,
    PROVOCATIONS,
    a_challenge_nobody_set,
    a_collector_that_hangs,
    a_collector_that_is_gone,
    ask,
    batch,
    half_a_handshake,
    post,
)
from tests.ops.proxies import CONFIGS, HURRIED, NAME, OPS, Place, Proxy, port_of, proxy

pytestmark = [pytest.mark.slow, pytest.mark.needs("nginx", "caddy", "strace")]

ALL = pytest.mark.parametrize("kind", CONFIGS)
PEERS = "127.7.0."  # where the clients of these tests come from
ADDRESS = re.compile(rb"127\.7\.0\.\d+|203\.0\.113\.\d+|2001:db8::\d")
PACKED = [ip_address(f"2001:db8::{n}").packed for n in (1, 2, 3)]
TALKATIVE = {
    "nginx": [
        ("    error_log /dev/null emerg;\n", ""),
        ("    access_log off;", "    access_log {folder}/access.log;"),
        ("error.log warn", "error.log info"),
    ],
    "caddy": [("\t\texclude http ", "\t\texclude "), ("\t\t\t\trequest delete\n", "")],
}


@contextlib.contextmanager
def collecting(folder: Path) -> Iterator[tuple[Server, Place]]:
    """Run a collector, and give it a place for a proxy."""
    contract = folder / "telemetry.toml"
    contract.write_text(CONTRACT)
    words = ("serve", "--contract", str(contract), "--trusted-proxy", "127.0.0.1/32")
    with servers(folder / "home", *words, "--burst", "8", "--requests-per-minute", "1") as begin:
        collector = begin()
        yield collector, Place(folder / "proxy", port_of(collector))


@pytest.fixture(scope="module", params=CONFIGS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Proxy]]:
    """Give a collector and a proxy before it; each test comes from addresses of its own."""
    with (
        collecting(tmp_path_factory.mktemp(request.param)) as (collector, place),
        proxy(request.param, place) as running,
    ):
        yield collector, running


def provoke(running: Proxy, collector: Server) -> None:
    """Do all that could make anybody write an address down; end the collector."""
    with ThreadPoolExecutor() as pool:
        waiting = [
            pool.submit(provocation, running, f"{PEERS}{number}")
            for number, provocation in enumerate(LASTING, 51)
        ]
        for number, provocation in enumerate(PROVOCATIONS, 1):
            provocation(running, f"{PEERS}{number}")
        assert post(running, f"{PEERS}100").status == 200
        a_collector_that_hangs(running, f"{PEERS}101", collector)
        for future in waiting:
            future.result()
    a_collector_that_is_gone(running, f"{PEERS}102", collector)


def with_addresses(files: list[Path]) -> dict[str, list[bytes]]:
    """Return what addresses are in which files."""
    found = {}
    for path in files:
        content = path.read_bytes()
        rows = ADDRESS.findall(content) + [packed for packed in PACKED if packed in content]
        if rows:
            found[path.name] = sorted(set(rows))
    return found


@ALL
def test_no_file_has_an_address_whatever_goes_wrong(kind: str, tmp_path: Path) -> None:
    with collecting(tmp_path) as (collector, place), proxy(kind, place, *HURRIED[kind]) as running:
        provoke(running, collector)
        assert not ADDRESS.search(collector.errors.encode())
    files = running.files()
    home = [path for path in collector.home.rglob("*") if path.is_file()]
    assert len(home) > 2
    assert {"stdout", "stderr"} < {path.name for path in files}
    assert with_addresses([*files, *home]) == {}


@ALL
def test_without_what_the_configuration_says_of_logs_addresses_would_stay(
    kind: str, tmp_path: Path
) -> None:
    """So the test above looks where they would be."""
    with collecting(tmp_path) as (collector, place):
        changes = [(old, new.format(folder=place.folder)) for old, new in TALKATIVE[kind]]
        with proxy(kind, place, *HURRIED[kind], *changes) as running:
            provoke(running, collector)
    found = {row for rows in with_addresses(running.files()).values() for row in rows}
    peers = {row for row in found if row.startswith(PEERS.encode())}
    assert len(peers) >= 3, found


def test_caddy_says_what_is_wrong_with_a_certificate_and_not_who_asked(tmp_path: Path) -> None:
    """It gets its own, which nobody gives it here; who looks for a challenge is not told of."""
    place = Place(tmp_path / "proxy", upstream=1)
    own = (f"\n\ttls {place.chain} {place.key}", "")
    nobody = ("\tdefault_bind", f"\tacme_ca https://127.0.0.1:{free_port()}/\n\tdefault_bind")
    with proxy("caddy", place, own, nobody) as running:
        a_challenge_nobody_set(running, f"{PEERS}1")
        half_a_handshake(running, f"{PEERS}2")
        wait_until(lambda: "could not get certificate from issuer" in running.said())
    assert "connection refused" in running.said()
    assert with_addresses(running.files()) == {}


def test_events_arrive_and_are_stored(both: tuple[Server, Proxy]) -> None:
    collector, running = both
    at_first = stored(collector)
    for number in range(1, 4):
        assert post(running, f"{PEERS}{number}").status == 200
    with contextlib.closing(running.connect(f"{PEERS}4")) as kept:
        for target, body in (("/health", None), ("/v1/events", batch(5)), ("/health", None)):
            assert ask(kept, target, body).status == 200
    before = stored(collector)
    large = b'{"tool": "stratus", "events": [%b]}'
    large %= batch().partition(b"[")[2][:-2] + b" " * (EXPANDED_BYTES - 1000)
    with contextlib.closing(running.connect(f"{PEERS}5")) as connection:
        assert ask(connection, "/v1/events", large).status == 200
    assert (before - at_first, stored(collector) - before) == (8, 1)


def test_limits_are_those_of_each_client_whatever_it_says_of_itself(
    both: tuple[Server, Proxy],
) -> None:
    _, running = both
    answers = [
        post(running, f"{PEERS}11", **{"X-Forwarded-For": f"203.0.113.{number}"})
        for number in range(10)
    ]
    assert [answer.status for answer in answers] == [200] * 8 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert post(running, f"{PEERS}12").status == 200
    assert post(running, f"{PEERS}11", Forwarded=f"for={PEERS}12").status == 429


def test_who_comes_without_tls_is_sent_to_it_and_who_comes_with_it_stays(
    both: tuple[Server, Proxy],
) -> None:
    _, running = both
    with contextlib.closing(running.connect(f"{PEERS}21", plain=True)) as connection:
        answer = ask(connection, "/public?tool=stratus")
    assert answer.status == 308
    assert answer.headers["Location"] == f"https://{NAME}/public?tool=stratus"
    with contextlib.closing(running.connect(f"{PEERS}21")) as connection:
        page = ask(connection, "/health")
        assert page.status == 200
        assert page.headers["Strict-Transport-Security"] == "max-age=63072000"
        assert ask(connection, "/metrics").status == 404


def test_a_session_behind_the_proxy_is_for_tls_alone(both: tuple[Server, Proxy]) -> None:
    collector, running = both
    form = f"token={collector.token}".encode()
    rows = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"https://{NAME}"}
    with contextlib.closing(running.connect(f"{PEERS}31")) as browser:
        answer = ask(browser, "/login", form, **rows)
    assert answer.status == 303
    assert "Secure" in answer.headers["Set-Cookie"]


def stored(collector: Server) -> int:
    """Return how many events are in the store, once it has all that were taken."""
    collector.answer("commands")
    page = collector.call("GET", "/metrics").body.decode()
    return int(seconds(r"\naskfirst_events_stored_total (\d+)", page))


def seconds(pattern: str, text: str) -> float:
    [found] = re.findall(pattern, text)
    return float(found)


def test_the_proxies_wait_as_long_as_the_collector_and_let_go_before_it() -> None:
    nginx, caddy = (OPS / "nginx.conf").read_text(), (OPS / "Caddyfile").read_text()
    limits = Limits()
    assert seconds(r"client_header_timeout (\d+)s", nginx) == limits.header_seconds
    assert seconds(r"read_header (\d+)s", caddy) == limits.header_seconds
    assert seconds(r"client_body_timeout (\d+)s", nginx) == limits.body_seconds
    assert seconds(r"read_body (\d+)s", caddy) == limits.body_seconds
    assert seconds(r"keepalive_timeout (\d+)s; # less", nginx) < limits.idle_seconds
    assert seconds(r"keepalive (\d+)s", caddy) < limits.idle_seconds
    assert seconds(r"client_max_body_size (\d+)m", nginx) * 1024**2 == EXPANDED_BYTES
    assert seconds(r"max_size (\d+)MiB", caddy) * 1024**2 > EXPANDED_BYTES


def test_every_forwarding_header_names_another_address() -> None:
    named = ADDRESS.findall(" ".join(FORWARDING.values()).encode())
    assert len(named) == len(set(named)) >= len(FORWARDING)
