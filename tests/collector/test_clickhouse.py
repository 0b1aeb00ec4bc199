"""Collectors that share a store: whoever dies, what was acknowledged is stored, once."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from askfirst import questions
from askfirst.stores.opening import open_store
from tests.collector.retrying import (
    batches,
    check_stored,
    clients,
    free_port,
    start_on,
    stored_ids,
)
from tests.collector.serving import Server, make_event, servers, wait_until
from tests.collector.test_kills import wait_for_batches
from tests.stores.server import started

ROUNDS = 3
CLIENTS = 3  # of each collector


def stored(url: str) -> int:
    """Return how many events the quality report says are stored."""
    with closing(open_store(url)) as store:
        return int(
            questions.ask(store, "quality", "stratus", datetime.now(timezone.utc).date())["stored"]
        )


@pytest.mark.slow
def test_acknowledged_is_stored_once_though_collectors_and_their_server_are_killed(
    tmp_path: Path, contract_file: Path
) -> None:
    """While the server is down the doors stay open, and a collector may restart."""
    ports = free_port(), free_port()
    with ExitStack() as stack:
        database = stack.enter_context(started(tmp_path / "clickhouse"))
        url = database.new()
        words = ("serve", "--contract", str(contract_file), "--store", url)
        begin = [stack.enter_context(servers(tmp_path / str(n))) for n in range(2)]
        collectors = [start_on(begin[n], ports[n], *words) for n in range(2)]
        running = [
            client for port in ports for client in stack.enter_context(clients(port, CLIENTS))
        ]
        for number in range(ROUNDS):
            wait_for_batches(running, 20)
            database.kill()
            wait_for_batches(running, 20)  # acknowledged though there is no store
            collector = collectors[number % 2]
            wait_until(lambda c=collector: "the store takes nothing" in c.errors)
            database.start()
            collector.process.kill()
            collector.process.wait()
            collectors[number % 2] = start_on(begin[number % 2], ports[number % 2], *words)
        wait_for_batches(running, 20)
        for client in running:
            client.finish()
        sent = sum(len(client.acknowledged) for client in running)
        assert batches(running)
        assert [collector.stop() for collector in collectors] == [0, 0]
        assert check_stored(url, running) == sent
        assert stored(url) == sent


@pytest.mark.slow
def test_a_collector_starts_and_takes_events_while_the_server_is_away(
    tmp_path: Path, contract_file: Path
) -> None:
    """With an empty log, and again with what it took until it was killed."""
    port = free_port()
    with ExitStack() as stack:
        database = stack.enter_context(started(tmp_path / "clickhouse"))
        url = database.new()
        words = ("serve", "--contract", str(contract_file), "--store", url)
        begin = stack.enter_context(servers(tmp_path / "home"))
        collector = start_on(begin, port, *words)
        running = stack.enter_context(clients(port, CLIENTS))
        wait_for_batches(running, 20)
        for client in running:
            client.finish()
        assert collector.stop() == 0
        running += stack.enter_context(clients(port, CLIENTS, first=CLIENTS))
        database.kill()
        for _ in range(2):
            collector = start_on(begin, port, *words)
            assert "events are taken all the same" in collector.errors
            wait_for_batches(running, 20)
            check_away(collector)
            collector.process.kill()
            collector.process.wait()
        collector = start_on(begin, port, *words)
        wait_for_batches(running, 20)
        database.start()
        wait_until(lambda: "the store takes events again" in collector.errors)
        for client in running:
            client.finish()
        sent = sum(len(client.acknowledged) for client in running)
        assert collector.stop() == 0
        assert stored(url) == sent
        assert check_stored(url, running) == sent
        assert not list((tmp_path / "home").rglob("*.log"))


def check_away(collector: Server) -> None:
    """Check what a collector says while its store is away."""
    assert collector.call("GET", "/health/ready").json() == {"ready": True}
    wait_until(lambda: collector.call("GET", "/health").json()["status"] == "degraded")
    metrics = collector.call("GET", "/metrics").body.decode()
    assert "askfirst_ready 1\n" in metrics
    assert "askfirst_store_bytes" not in metrics


@pytest.mark.slow
def test_an_erasure_reaches_what_another_collector_has_not_loaded_yet(
    tmp_path: Path, contract_file: Path
) -> None:
    erasure = {"tool": "stratus", "installationId": "ab" * 32}
    gone = [make_event(installationId="ab" * 32) for _ in range(3)]
    stays = make_event(installationId="cd" * 32)
    with ExitStack() as stack:
        database = stack.enter_context(started(tmp_path / "clickhouse"))
        url = database.new()
        words = ("serve", "--contract", str(contract_file), "--store", url)
        begin = [stack.enter_context(servers(tmp_path / str(n), *words)) for n in range(2)]
        first, second = begin[0](), begin[1]()
        first.call("POST", "/v1/events", {"tool": "stratus", "events": gone[:1]})
        wait_until(lambda: stored(url) == 1)
        database.kill()
        second.call("POST", "/v1/events", {"tool": "stratus", "events": [*gone[1:], stays]})
        second.kill()
        database.start()

        answer = first.call("POST", "/v1/erasures", erasure)
        assert (answer.status, answer.json()) == (200, {"erased": 1})
        second = begin[1]()
        assert [first.stop(), second.stop()] == [0, 0]
        assert stored_ids(url) == [stays["id"]]
        assert stored(url) == 2


@pytest.mark.slow
def test_without_a_log_acknowledged_is_stored_once_though_a_collector_loses_its_disk(
    tmp_path: Path, contract_file: Path
) -> None:
    port = free_port()
    with ExitStack() as stack:
        database = stack.enter_context(started(tmp_path / "clickhouse"))
        url = database.new()
        words = ("serve", "--contract", str(contract_file), "--store", url, "--ack", "store")
        running = stack.enter_context(clients(port, 2 * CLIENTS))
        for number in range(ROUNDS):
            begin = stack.enter_context(servers(tmp_path / str(number)))  # with a disk of its own
            collector = start_on(begin, port, *words)
            wait_for_batches(running, 20)
            if number == 1:
                database.kill()
                wait_until(lambda c=collector: c.call("GET", "/health/ready").status == 503)
                database.start()
                wait_until(lambda c=collector: c.call("GET", "/health/ready").status == 200)
                wait_for_batches(running, 20)
            assert not list((tmp_path / str(number)).rglob("*.log"))
            collector.process.kill()
            collector.process.wait()
        begin = stack.enter_context(servers(tmp_path / "last"))
        collector = start_on(begin, port, *words)
        wait_for_batches(running, 20)
        for client in running:
            client.finish()
        assert collector.stop() == 0
        assert sum(client.lost for client in running)  # or it was not under load
        assert check_stored(url, running) == sum(len(row.acknowledged) for row in running)


def test_only_a_server_can_be_what_is_acknowledged(tmp_path: Path, contract_file: Path) -> None:
    with servers(tmp_path) as begin:
        for more, why in (
            ((), "--ack store needs a store on a server"),
            (("--store", "clickhouse://h/a", "--workers", "2"), "--workers 1"),
        ):
            words = ("serve", "--contract", str(contract_file), "--ack", "store", *more)
            refused = begin(*words, wait=False)
            assert refused.wait() == 2
            assert why in refused.errors
