"""The loader: every event once in the store, whatever fails in between."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askfirst.collector import log as logs
from askfirst.collector.frames import encode
from askfirst.collector.loader import Loader, Places
from askfirst.collector.log import Log
from askfirst.collector.metrics import Metrics
from askfirst.collector.pipeline import Rules, Terms, sift
from askfirst.collector.tail import Tail
from askfirst.contract.event import now_ms
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS, Position, StoreError
from tests.collector.serving import CONTRACT, DEADLINE

INSTALLATION = "9d" * 32


class Bench:
    """A log and a loader over a store in memory."""

    def __init__(self, folder: Path, store: Any, contract: Contract, event: Any) -> None:
        self.store, self.contract, self.event = store, contract, event
        self.said: list[str] = []
        self.forgotten: list[int] = []  # after how many ms to scrub
        store.declare(contract)
        self.now = now_ms()
        self.metrics = Metrics()
        self.tails = [Tail(folder / name, store.position, self.said.append) for name in "01"]
        self.logs = [Log(tail.folder) for tail in self.tails]
        for tail, log in zip(self.tails, self.logs, strict=True):
            tail.roll = log.roll
        self.loader = self.new_loader()

    def new_loader(self, **settings: Any) -> Loader:
        self.loader = Loader(
            self.tails, self.store, lambda: [self.contract], self.metrics, lambda: self.now,
            self.said.append, forgotten=self.forgotten.append, **{"linger": 0.005, **settings},
        )  # fmt: skip
        return self.loader

    def put(self, *events: dict[str, Any], log: int = 0) -> Places:
        frame = sift(events, Rules(Terms(self.contract), self.now)).frame
        asyncio.run(self.logs[log].write(encode(frame)))
        return self.loader.accepted()

    def loaded(self, places: Places) -> bool:
        return asyncio.run(self.loader.reach(places, DEADLINE))

    def erase(self) -> int:
        return asyncio.run(self.loader.erase("stratus", bytes.fromhex(INSTALLATION)))

    def round(self) -> None:
        """Wait until the loader has done with what it is at."""
        asyncio.run(self.loader.do(lambda _: None))

    def position(self, log: int = 0) -> Position:
        return Position(self.tails[log].name, *self.tails[log].durable())

    def held(self) -> bytes:
        files = [path for tail in self.tails for path in tail.folder.iterdir()]
        return b"".join(path.read_bytes() for path in files)

    def close(self) -> None:
        for log in self.logs:
            log.close()
        self.loader.stop()


@pytest.fixture
def bench(tmp_path: Path, memory_store: Any, contract: Contract, event: Any) -> Iterator[Bench]:
    bench = Bench(tmp_path / "log", memory_store, contract, event)
    yield bench
    bench.close()


def test_events_and_counts_reach_the_store_with_the_position(bench: Bench) -> None:
    position = bench.put(bench.event(), bench.event(user="golo"))
    bench.loader.start()
    assert bench.loaded(position)
    assert len(bench.store.rows) == 1
    day = bench.now // DAY_MS
    assert bench.store.counts == {("stratus", day, "dropped:undeclared-field"): 1}
    assert bench.store.positions == {bench.tails[0].name: bench.position()}


def test_every_log_is_loaded_each_to_its_own_position(bench: Bench) -> None:
    bench.put(bench.event())
    places = bench.put(bench.event(), bench.event(), log=1)
    bench.loader.start()
    assert bench.loaded(places)
    assert len(bench.store.rows) == 3
    assert bench.store.positions == {bench.tails[n].name: bench.position(n) for n in range(2)}


def test_many_frames_share_a_transaction_up_to_the_bound(bench: Bench) -> None:
    for _ in range(10):
        position = bench.put(*(bench.event() for _ in range(10)))
    bench.new_loader(most_events=40).start()
    assert bench.loaded(position)
    assert bench.store.loads == [40, 40, 20]


def test_a_store_that_refuses_is_tried_again_until_it_takes_everything(
    bench: Bench, until: Callable[..., None]
) -> None:
    bench.loader.start()
    bench.store.trouble = "the disk is on fire"
    position = bench.put(bench.event())
    until(lambda: bench.loader.trouble)
    assert not asyncio.run(bench.loader.reach(position, 0))
    bench.store.trouble = ""
    assert bench.loaded(position)
    assert len(bench.store.rows) == 1
    assert [line for line in bench.said if "on fire" in line]
    until(lambda: not bench.loader.trouble)


def test_a_transaction_whose_answer_got_lost_is_not_counted_twice(bench: Bench) -> None:
    bench.store.commits_and_fails = 1
    position = bench.put(bench.event(), bench.event(user="golo"))
    bench.loader.start()
    assert bench.loaded(position)
    assert bench.store.loads == [1]
    assert sum(bench.store.counts.values()) == 1


def test_an_error_nobody_thought_of_does_not_end_the_thread(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "load", lambda *_: 1 / 0)
        position = bench.put(bench.event())
        bench.loader.start()
        until(lambda: bench.loader.trouble)
    assert bench.loaded(position)
    assert any("ZeroDivisionError" in line for line in bench.said)


def test_an_operator_who_hears_nothing_any_more_does_not_end_the_thread(
    make_api: Callable[..., Any], contract: Contract, event: Any, until: Callable[..., None]
) -> None:
    def deaf(_text: str) -> None:
        raise BrokenPipeError(errno.EPIPE, "as when a reader of stderr has ended")

    api = make_api(contract, say=deaf)
    api.store.trouble = "the disk is on fire"
    api.post("/v1/events", {"tool": "stratus", "events": [event()]})
    until(lambda: api.collector.loader.trouble)
    api.store.trouble = ""
    api.loaded()
    assert len(api.store.rows) == 1


def test_loading_goes_on_where_the_store_says(bench: Bench) -> None:
    bench.put(bench.event())
    bench.store.positions[bench.tails[0].name] = bench.position()
    second = bench.put(bench.event())
    bench.tails = [_reopened(bench, number) for number in range(2)]
    bench.new_loader().start()
    assert bench.loaded(second)
    assert bench.store.loads == [1]


def _reopened(bench: Bench, number: int) -> Tail:
    bench.logs[number].close()
    return Tail(bench.tails[number].folder, bench.store.position, bench.said.append)


def test_segments_are_deleted_when_they_are_ended_and_loaded(bench: Bench) -> None:
    bench.put(bench.event())
    bench.put(bench.event(), log=1)
    bench.loader.start()
    assert bench.loaded(bench.loader.end_segments())
    assert [path for tail in bench.tails for path in tail.folder.glob("*.log")] == []
    assert bytes.fromhex(INSTALLATION) not in bench.held()


def test_an_erasure_is_done_between_transactions_and_to_be_scrubbed_soon_after(
    bench: Bench, until: Callable[..., None]
) -> None:
    places = bench.put(bench.event(), bench.event(), bench.event(installationId="aa" * 32))
    bench.loader.start()
    assert bench.loaded(places)
    until(lambda: bench.forgotten == [0])  # what an earlier run may have left
    assert bench.erase() == 2
    assert len(bench.store.rows) == 1
    assert bench.forgotten == [0, 5_000]


def test_a_job_that_fails_tells_whoever_asked_and_loading_goes_on(bench: Bench) -> None:
    bench.loader.start()
    bench.store.trouble = "gone"
    with pytest.raises(StoreError, match="gone"):
        bench.erase()
    bench.store.trouble = ""
    assert bench.loaded(bench.put(bench.event()))


def _given_up(bench: Bench, begun: threading.Event | None = None) -> None:
    """Ask for an erasure, and wait no longer than until it has begun."""

    async def ask() -> None:
        erasure = bench.loader.erase("stratus", bytes.fromhex(INSTALLATION))
        asked = asyncio.create_task(erasure)
        await (asyncio.to_thread(begun.wait, DEADLINE) if begun else asyncio.sleep(0))
        asked.cancel()
        await asyncio.wait((asked,))
        assert asked.cancelled()

    asyncio.run(ask())


def test_an_erasure_that_nobody_waits_for_any_more_is_done_and_scrubbed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, until: Callable[..., None]
) -> None:
    begun, may_end, erase = threading.Event(), threading.Event(), bench.store.erase

    def slow(*words: Any) -> int:
        begun.set()
        may_end.wait(DEADLINE)
        return int(erase(*words))

    places = bench.put(bench.event(), bench.event())
    bench.loader.start()
    assert bench.loaded(places)
    until(lambda: bench.forgotten == [0])
    monkeypatch.setattr(bench.store, "erase", slow)
    _given_up(bench, begun)
    may_end.set()
    assert bench.loaded(bench.put(bench.event(installationId="aa" * 32)))
    assert len(bench.store.rows) == 1
    assert bench.forgotten == [0, 5_000]
    assert asyncio.run(bench.loader.do(lambda _: 7)) == 7
    assert bench.said == []


def test_an_erasure_that_was_given_up_before_it_began_is_not_done(bench: Bench) -> None:
    places = bench.put(bench.event())
    _given_up(bench)  # nothing runs yet
    bench.loader.start()
    assert bench.loaded(places)
    assert asyncio.run(bench.loader.do(lambda _: 7)) == 7
    assert len(bench.store.rows) == 1


def test_a_log_that_is_still_written_keeps_nobody_waiting_for_its_lock(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its writer may be one that hangs; what the loader has to do meanwhile is for all logs."""
    monkeypatch.setattr(logs, "LOCK_SECONDS", 3_600.0)
    recovery = api.collector.recover(api.collector.tails["0"])
    with pytest.raises(logs.LogHeld):
        asyncio.run(asyncio.wait_for(recovery, DEADLINE))


def test_waiting_works_for_many_from_an_event_loop(bench: Bench) -> None:
    bench.loader.start()

    async def ask() -> list[bool]:
        frame = sift([bench.event()], Rules(Terms(bench.contract), bench.now)).frame
        places = []
        for _ in range(5):
            await bench.logs[0].write(encode(frame))
            places.append(bench.loader.accepted())
        return list(await asyncio.gather(*(bench.loader.reach(row, DEADLINE) for row in places)))

    assert asyncio.run(ask()) == [True] * 5


def test_waiting_ends_when_its_time_is_up(bench: Bench) -> None:
    position = bench.put(bench.event())
    assert not asyncio.run(bench.loader.reach(position, 0.01))  # it was never started
    assert bench.loader._waiters == []


def test_a_damaged_segment_is_set_aside_and_the_next_one_loaded(bench: Bench) -> None:
    bench.put(bench.event())
    bad = bench.put(bench.event())
    path = next(bench.tails[0].folder.glob("*.log"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    bench.loader.start()
    segment, _ = bad[bench.tails[0].name]
    assert bench.loaded({bench.tails[0].name: (segment + 1, 0)})
    assert bench.loaded(bench.put(bench.event()))
    assert len(bench.store.rows) == 2
    assert bench.tails[0].corrupt == 1


def test_stopping_loads_what_is_left(bench: Bench) -> None:
    bench.loader.start()
    for _ in range(5):
        bench.put(bench.event())
    bench.close()
    assert len(bench.store.rows) == 5


def test_stopping_does_not_wait_for_a_store_that_refuses(bench: Bench) -> None:
    bench.loader.start()
    bench.store.trouble = "gone"
    bench.put(bench.event())
    bench.close()
    assert bench.store.rows == {}
    assert bench.tails[0].size() > 0


def test_retention_runs_at_the_start_and_once_a_day(
    bench: Bench, until: Callable[..., None]
) -> None:
    first = bench.now
    bench.loader.start()
    until(lambda: bench.store.retained)
    assert bench.loaded(bench.put(bench.event()))
    bench.now += DAY_MS - 1
    assert bench.loaded(bench.put(bench.event()))
    bench.now += 1
    until(lambda: len(bench.store.retained) == 2)
    assert bench.store.retained == [
        ("stratus", first - 395 * DAY_MS),
        ("stratus", first + DAY_MS - 395 * DAY_MS),
    ]


def test_a_clock_that_is_set_back_does_not_put_off_retention(
    bench: Bench, until: Callable[..., None]
) -> None:
    bench.loader.start()
    until(lambda: bench.store.retained)
    bench.now -= 100 * DAY_MS
    assert bench.loaded(bench.put(bench.event()))
    bench.now += DAY_MS
    until(lambda: len(bench.store.retained) == 2)


def test_retention_reaches_tools_that_are_not_served_any_more(
    bench: Bench, until: Callable[..., None]
) -> None:
    text = CONTRACT.replace('"stratus"', '"gone"').replace("395", "30")
    bench.store.declare(parse(text))
    bench.loader.start()
    until(lambda: len(bench.store.retained) == 2)
    assert sorted(bench.store.retained) == [
        ("gone", bench.now - 30 * DAY_MS),
        ("stratus", bench.now - 395 * DAY_MS),
    ]


def test_whoever_only_loads_what_is_left_forgets_nothing(bench: Bench) -> None:
    places = bench.put(bench.event())
    bench.new_loader(retains=False).start()
    assert bench.loaded(places)
    bench.close()
    assert bench.store.retained == []


def test_what_was_set_aside_goes_with_retention_after_a_week(
    bench: Bench, until: Callable[..., None]
) -> None:
    aside = bench.tails[1].folder / "0000000000000001.log.corrupt"
    aside.write_bytes(b"x")
    bench.loader.start()
    until(lambda: bench.store.retained)
    bench.now += 6 * DAY_MS
    until(lambda: len(bench.store.retained) == 2)
    assert aside.exists()
    bench.now += 2 * DAY_MS
    until(lambda: not aside.exists())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is of processes, not of threads")
def test_it_stands_back_for_others_if_it_is_told_to(bench: Bench) -> None:
    def nice_of(_store: Any) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    ours = nice_of(None)
    bench.new_loader(nice=3).start()
    assert asyncio.run(bench.loader.do(nice_of)) == min(ours + 3, 19)
    assert nice_of(None) == ours
