"""What was acknowledged is stored, once, however often the collector is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.collector.retrying import (
    Client,
    batches,
    check_stored,
    clients,
    free_port,
    start_on,
    workers_of,
)
from tests.collector.serving import Server, servers, wait_until

KILLS = int(os.environ.get("ASKFIRST_KILLS", "30"))
CONNECTIONS = 8


def wait_for_batches(running: list[Client], number: int) -> None:
    """Wait until so many more were acknowledged, or a client found fault with an answer."""
    wanted = batches(running) + number
    wait_until(lambda: batches(running) >= wanted or any(row.problem for row in running))
    assert [row.problem for row in running if row.problem] == []


def kill_one(server: Server, number: int) -> bool:
    """Kill a worker in every fourth round, else the whole; return whether the rest lives on."""
    workers = workers_of(server)
    if workers and number % 4 == 3:
        os.kill(random.Random(number).choice(workers), signal.SIGKILL)
        wait_until(lambda: server.errors.count("it is started again") or server.process.poll())
        return True
    server.process.kill()
    server.process.wait()
    return False


@pytest.mark.slow
def test_acknowledged_is_stored_once_however_often_a_process_is_killed(
    tmp_path: Path, contract_file: Path
) -> None:
    home, port, chance = tmp_path / "home", free_port(), random.Random(7)
    with servers(home) as begin, clients(port, CONNECTIONS) as running:
        server = None
        for number in range(KILLS):
            if server is None:
                workers = str(1 + number % 2)
                words = ("serve", "--contract", str(contract_file), "--workers", workers)
                server = start_on(begin, port, *words)
            wait_for_batches(running, chance.randrange(80))
            if not kill_one(server, number):
                server = None
        server = server or start_on(begin, port, *words)
        wait_for_batches(running, CONNECTIONS)
        for client in running:
            client.finish()
        assert server.stop() == 0
    assert check_stored(home / "data" / "askfirst" / "askfirst.duckdb", running)
    assert sum(client.lost for client in running) >= KILLS / 4  # or it was not under load
    assert not list(home.rglob("*.log"))
