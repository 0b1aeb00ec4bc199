"""Collectors that share a store: whoever dies, what was acknowledged is stored, once."""

from __future__ import annotations

from contextlib import ExitStack, closing
from datetime import datetime, timezone
from pathlib import Path

import pytest

from askfirst import questions
from askfirst.stores.opening import open_store
from tests.collector.retrying import batches, check_stored, clients, free_port, start_on
from tests.collector.serving import servers, wait_until
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
