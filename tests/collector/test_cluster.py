"""Collectors before two shards: whoever dies, the answers are those of one file."""

from __future__ import annotations

import json
from contextlib import ExitStack, closing
from datetime import date, datetime, timedelta, timezone
from http.client import HTTPException
from operator import gt
from pathlib import Path
from typing import Any

import pytest

from askfirst import questions
from askfirst.collector.gather import Batch
from askfirst.collector.pipeline import Rules, Terms, sift
from askfirst.contract.event import now_ms
from askfirst.contract.loading import load
from askfirst.stores.base import Position, Store
from askfirst.stores.opening import open_store
from tests.collector.retrying import (
    PATIENCE,
    Client,
    batches,
    check_stored,
    clients,
    free_port,
    start_on,
)
from tests.collector.serving import CONTRACT, Server, servers, wait_until
from tests.stores.server import Cluster, paired

ROUNDS = 2  # each server and each collector dies once
CLIENTS = 3  # of each collector


def answers(store: Store, today: date) -> str:
    """Return every answer, of a day and of some day before, as JSON."""
    said: dict[str, Any] = {}
    for day in (today, today - timedelta(days=20)):
        for name in questions.NAMES:
            said[f"{name} {day}"] = questions.ask(store, name, "stratus", day)
    for name in [name for name in said if name.startswith("quality")]:
        del said[name]  # it counts by arrival, and deliveries that came twice
    return json.dumps(said, sort_keys=True, indent=1)


def embedded(path: Path, contract_file: Path, running: list[Client], today: date) -> str:
    """Return the answers of a file that holds what was acknowledged."""
    contract = load(contract_file)
    with closing(open_store(path)) as store:
        store.declare(contract)
        for client in running:
            batch = Batch(Position("", 0, 0))
            batch.add(sift(client.events, Rules(Terms(contract), now_ms())).frame)
            assert store.load(batch.events(), {}).stored == len(client.acknowledged)
        return answers(store, today)


def revived(cluster: Cluster) -> bool:
    return any(server.revive() for server in cluster.servers)


def wait_for_more(number: int, running: list[Client], cluster: Cluster) -> None:
    """Wait until so many more batches were acknowledged."""
    wanted = batches(running) + number
    wait_until(lambda: not revived(cluster) and batches(running) >= wanted, PATIENCE)


def held(cluster: Cluster, database: str) -> int:
    """Return how many events both shards have, -1 if one does not answer yet."""
    try:
        return int(cluster.servers[0].ask(f"SELECT count() FROM {database}.events FINAL"))
    except (OSError, HTTPException):
        return -1


def is_well(collector: Server) -> bool:
    return bool(collector.call("GET", "/health").json()["status"] == "ok")


def complaints(collector: Server) -> int:
    return collector.errors.count("the store takes nothing")


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """Return a contract with a release that installations update to."""
    day = datetime.now(timezone.utc).date() - timedelta(days=30)
    path = tmp_path / "telemetry.toml"
    path.write_text(f'{CONTRACT}\n[releases]\n"3.1.2" = {day - timedelta(50)}\n"3.2.0" = {day}\n')
    return path


@pytest.mark.slow
@pytest.mark.parametrize("ack", ["log", "store"])
def test_answers_equal_those_of_one_file_though_collectors_and_servers_are_killed(
    tmp_path: Path, released: Path, ack: str
) -> None:
    ports = free_port(), free_port()
    with ExitStack() as stack:
        cluster = stack.enter_context(paired(tmp_path / "cluster"))
        url = cluster.new()
        database = url.rpartition("/")[2]
        words = [
            ("serve", "--contract", str(released), "--ack", ack, "--store", where)
            for where in (server.store(database) for server in cluster.servers)
        ]
        begin = [stack.enter_context(servers(tmp_path / str(n))) for n in range(2)]
        collectors = [start_on(begin[n], ports[n], *words[n]) for n in range(2)]
        varied = {"installations": 50, "keep": True}
        running = [
            client
            for n in range(2)
            for client in stack.enter_context(
                clients(ports[n], CLIENTS, first=n * CLIENTS, **varied)
            )
        ]
        for number in range(ROUNDS):
            wait_for_more(20, running, cluster)
            server, n = cluster.servers[number % 2], number % 2
            wait_until(lambda: not revived(cluster) and all(map(is_well, collectors)), PATIENCE)
            before = [complaints(collector) for collector in collectors]
            server.kill()
            wait_until(lambda b=before: all(map(gt, map(complaints, collectors), b)))
            collectors[n].process.kill()
            collectors[n].process.wait()
            server.start()
            collectors[n] = start_on(begin[n], ports[n], *words[n])
        wait_for_more(20, running, cluster)
        for client in running:
            client.finish()
        sent = sum(len(client.acknowledged) for client in running)
        wait_until(lambda: not revived(cluster) and held(cluster, database) == sent, PATIENCE)
        assert [collector.stop() for collector in collectors] == [0, 0]
        assert check_stored(url, running) == sent
        today = datetime.now(timezone.utc).date()
        with closing(open_store(cluster.servers[1].store(database))) as store:
            found = answers(store, today)
            assert store.check() == []
        assert found == embedded(tmp_path / "one.duckdb", released, running, today)
