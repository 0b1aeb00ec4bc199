"""A disk that fills up: events are refused, not lost, and taken again once there is room."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askfirst.stores.base import StoreError
from askfirst.stores.duckdb import backups
from askfirst.stores.duckdb.store import DuckDBStore
from tests.collector.retrying import (
    Client,
    Disk,
    batches,
    check_stored,
    clients,
    free_port,
    log_bytes,
    small_disk,
    start_on,
    stopped,
)
from tests.collector.serving import DEADLINE, Server, make_event, servers, wait_until
from tests.stores.making import events, hashed

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", "64m") as mounted:
        yield mounted


@pytest.fixture
def words(disk: Disk, contract_file: Path) -> tuple[str, ...]:
    store = str(disk.folder / "s.duckdb")
    return ("serve", "--contract", str(contract_file), "--store", store)


def ready(server: Server) -> int:
    return server.call("GET", "/health/ready").status


def post(server: Server, number: int = 1) -> Any:
    batch = {"tool": "stratus", "events": [make_event() for _ in range(number)]}
    return server.call("POST", "/v1/events", batch)


def today() -> str:
    return dt.datetime.now(dt.timezone.utc).date().isoformat()


def all_refused(running: list[Client], disk: Disk, server: Server) -> bool:
    """Keep the disk full, of which what is loaded gives some back; tell whether every client was
    refused for it, and is told of it by the collector.
    """
    disk.fill()
    return (
        all(client.refusals for client in running)
        and ready(server) == 503
        and server.call("GET", "/health").json() == {"status": "degraded", "ready": False}
    )


def refuses(server: Server, disk: Disk) -> bool:
    """Keep the disk full; tell whether events are refused for it, and what a balancer is told."""
    disk.fill()
    return post(server, 500).status == 503 and ready(server) == 503


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_full_disk_refuses_loses_nothing_and_is_left_behind_by_itself(
    tmp_path: Path, disk: Disk, words: tuple[str, ...], workers: str
) -> None:
    port = free_port()
    with servers(tmp_path / "home") as begin, clients(port, 8) as running:
        server = start_on(begin, port, *words, "--workers", workers)
        for _ in range(2):
            wait_until(lambda: batches(running) >= 50)
            for client in running:
                client.refusals.clear()
            wait_until(lambda: all_refused(running, disk, server))
            disk.free()
            enough = [client.batches + 5 for client in running]
            wait_until(
                lambda n=enough: all(c.batches >= m for c, m in zip(running, n, strict=True))
            )
            wait_until(lambda: ready(server) == 200)
        for client in running:
            client.finish()
        assert {status for client in running for status, _ in client.refusals} == {503}
        assert all(int(later) > 0 for client in running for _, later in client.refusals)
        wait_until(lambda: server.call("GET", "/health").json() == {"status": "ok", "ready": True})
        assert server.stop() == 0
        assert "Traceback" not in server.errors
    assert check_stored(disk.folder / "s.duckdb", running)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_collector_is_ready_again_though_nobody_sends_meanwhile(
    tmp_path: Path, disk: Disk, words: tuple[str, ...], workers: str
) -> None:
    """A balancer sends nothing to a collector that says it is not ready."""
    with servers(tmp_path / "home") as begin:
        server = begin(*words, "--workers", workers)
        assert post(server).status == 200
        # each of two processes has to be met; a page of a segment may hold a few small batches
        wait_until(lambda: refuses(server, disk))
        disk.free()
        wait_until(lambda: ready(server) == 200)
        assert post(server).status == 200


@pytest.mark.slow
def test_a_collector_that_starts_on_a_full_disk_says_so(
    tmp_path: Path, disk: Disk, words: tuple[str, ...]
) -> None:
    with servers(tmp_path / "home") as begin:
        disk.fill()
        server = begin(*words, wait=False)
        assert server.wait() == 1
        [line] = server.lines
        assert str(disk.folder) in line
        assert "No space left" in line
        disk.free()
        second = begin(*words)
        assert post(second).status == 200
        disk.fill()
        assert second.stop() == 0  # what could not be loaded waits in the log
        third = begin(*words, wait=False)
        assert third.wait() == 1
        assert "Traceback" not in third.errors
        disk.free()
        fourth = begin(*words)
        assert post(fourth).status == 200
        assert fourth.answer(f"quality?as_of={today()}")["stored"] == 2
        assert fourth.stop() == 0


def test_a_store_is_opened_anew_after_a_checkpoint_on_a_full_disk(disk: Disk) -> None:
    """DuckDB takes and answers nothing after that until its file is opened again."""
    store = DuckDBStore(disk.folder / "s.duckdb")
    store.load([events(*({"id": n, "ms": n} for n in range(20_000)))], {})
    disk.fill(leave=64 * 1024)
    with pytest.raises(StoreError, match="No space left"):
        store._read("CHECKPOINT", {})
    disk.free()
    again = store.load([events(*({"id": n, "ms": n} for n in range(20_000, 21_000)))], {})
    assert again.stored == 1_000
    assert sum(len(part) for part in store.events("stratus")) == 21_000
    store._read("CHECKPOINT", {})
    store.close()


def test_a_scrub_on_a_full_disk_leaves_everything_as_it_was_and_is_done_later(disk: Disk) -> None:
    store = DuckDBStore(disk.folder / "s.duckdb")
    rows = [{"id": n, "ms": n, "who": n % 1_000} for n in range(20_000)]
    store.load([events(*rows)], {})
    folder = backups.folder_of(store.path)
    folder.mkdir()
    store.backup(folder / "1.duckdb")
    store.erase("stratus", hashed(7))
    disk.fill(leave=1 * MIB)
    with pytest.raises(StoreError, match="No space left"):
        store.scrub()
    assert store.count("stratus") == 19_980
    disk.free()
    assert store.scrub() is True
    assert store.check() == []
    assert store.count("stratus") == 19_980
    store.close()
    held = [path.read_bytes() for path in disk.folder.rglob("*") if path.is_file()]
    assert not [data for data in held if hashed(7) in data]
    copy = DuckDBStore(folder / "1.duckdb")
    assert (copy.count("stratus"), copy.check()) == (19_980, [])
    copy.close()


@pytest.mark.slow
def test_the_logs_never_take_more_than_their_quota_while_the_store_is_held_up(
    tmp_path: Path, contract_file: Path
) -> None:
    """The process with the store is stopped; its workers go on until their logs are full.

    Each of the two has a third of the quota, and clients may all have met the same.
    """
    quota = 48 * MIB
    home, port = tmp_path / "home", free_port()
    words = ("serve", "--contract", str(contract_file), "--workers", "2", "--log-quota", "48MiB")
    folder = home / "data" / "askfirst" / "askfirst.duckdb-log"
    with servers(home) as begin, clients(port, 4, most=1000) as running:
        server = start_on(begin, port, *words)
        wait_until(lambda: batches(running) >= 4)
        with stopped(server.process.pid):
            most = fill_log(folder, running)
        enough = batches(running) + 20
        wait_until(lambda: batches(running) >= enough)
        wait_until(lambda: ready(server) == 200)
        for client in running:
            client.finish()
        assert {status for client in running for status, _ in client.refusals} == {503}
        assert quota / 3 - MIB < most <= quota
        assert server.stop() == 0
    assert check_stored(home / "data" / "askfirst" / "askfirst.duckdb", running)
    assert log_bytes(folder) == 0


def fill_log(folder: Path, running: list[Client]) -> int:
    """Wait until every client was refused; return the most bytes that the logs took."""
    seen: list[int] = []

    def all_were_refused() -> bool:
        seen.append(log_bytes(folder))
        return all(client.refusals for client in running)

    wait_until(all_were_refused, 2 * DEADLINE)
    return max(*seen, log_bytes(folder))
