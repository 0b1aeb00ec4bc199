"""The loader: every event once in the store, whatever fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askfirst.collector.frames import encode
from askfirst.collector.loader import ErasureFrame, Loader
from askfirst.collector.log import Log
from askfirst.collector.metrics import Metrics
from askfirst.collector.pipeline import Rules, Terms, sift
from askfirst.contract.event import now_ms
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS, Position, StoreError

INSTALLATION = "9d" * 32


class Bench:
    """A log and a loader over a store in memory."""

    def __init__(self, folder: Path, store: Any, contract: Contract, event: Any) -> None:
        self.store, self.contract, self.event = store, contract, event
        self.said: list[str] = []
        self.now = now_ms()
        self.metrics = Metrics()
        self.log = Log(folder, None, self.said.append)
        self.loader = self.new_loader()

    def new_loader(self, **settings: Any) -> Loader:
        self.loader = Loader(
            self.log, self.store, [self.contract], self.metrics, lambda: self.now,
            self.said.append, **{"linger": 0.0, **settings},
        )  # fmt: skip
        return self.loader

    def put(self, *events: dict[str, Any]) -> Position:
        frame = sift(events, Rules(Terms(self.contract), self.now)).frame
        return self.append(encode(frame))

    def erase(self) -> Position:
        frame = ErasureFrame("stratus", self.now, bytes.fromhex(INSTALLATION))
        return self.append(encode(frame), seal=True)

    def append(self, payload: bytes, *, seal: bool = False) -> Position:
        async def write() -> Position:
            return await self.log.append(payload, seal=seal)

        return asyncio.run(write())

    def loaded(self, position: Position) -> bool:
        return self.loader.wait_until_loaded(position, 20)


@pytest.fixture
def bench(tmp_path: Path, memory_store: Any, contract: Contract, event: Any) -> Iterator[Bench]:
    bench = Bench(tmp_path / "log", memory_store, contract, event)
    yield bench
    bench.log.close()
    bench.loader.stop()


def test_events_and_counts_reach_the_store_with_the_position(bench: Bench) -> None:
    position = bench.put(bench.event(), bench.event(user="golo"))
    bench.loader.start()
    assert bench.loaded(position)
    assert len(bench.store.rows) == 1
    day = bench.now // DAY_MS
    assert bench.store.counts == {("stratus", day, "dropped:undeclared-field"): 1}
    assert bench.store.positions == {bench.log.name: position}


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
    assert not bench.loader.wait_until_loaded(position, 0)
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


def test_loading_goes_on_where_the_store_says(bench: Bench) -> None:
    first = bench.put(bench.event())
    bench.store.positions[bench.log.name] = first
    second = bench.put(bench.event())
    bench.new_loader().start()
    assert bench.loaded(second)
    assert bench.store.loads == [1]


def test_an_erasure_takes_what_came_before_it_and_not_what_comes_after(bench: Bench) -> None:
    bench.put(bench.event(), bench.event(), bench.event(installationId="aa" * 32))
    erasure = bench.erase()
    position = bench.put(bench.event())
    bench.loader.start()
    assert bench.loaded(position)
    assert len(bench.store.rows) == 2
    assert bench.loader.take_erased(erasure) == 2
    assert bench.loader.take_erased(erasure) == 0


def test_when_an_erasure_is_done_the_log_holds_nothing_of_it(bench: Bench, tmp_path: Path) -> None:
    bench.put(bench.event())
    bench.loader.start()
    assert bench.loaded(bench.erase())
    held = b"".join(path.read_bytes() for path in (tmp_path / "log").iterdir())
    assert bytes.fromhex(INSTALLATION) not in held


def test_an_erasure_whose_position_could_not_be_kept_reports_all_it_erased(bench: Bench) -> None:
    bench.put(bench.event())
    erasure = bench.erase()
    real = bench.store.load
    failures = [StoreError("not now")]

    def load(events: Any, counts: Any, position: Any) -> Any:
        if not events and failures:
            raise failures.pop()
        return real(events, counts, position)

    bench.store.load = load
    bench.loader.start()
    assert bench.loaded(erasure)
    assert bench.loader.take_erased(erasure) == 1


def test_waiting_works_for_many_from_an_event_loop(bench: Bench) -> None:
    bench.loader.start()

    async def ask() -> list[bool]:
        frame = sift([bench.event()], Rules(Terms(bench.contract), bench.now)).frame
        ends = [await bench.log.append(encode(frame)) for _ in range(5)]
        return list(await asyncio.gather(*(bench.loader.reach(end, 20) for end in ends)))

    assert asyncio.run(ask()) == [True] * 5


def test_waiting_ends_when_its_time_is_up(bench: Bench) -> None:
    position = bench.put(bench.event())
    assert not asyncio.run(bench.loader.reach(position, 0.01))  # it was never started
    assert bench.loader._waiters == []


def test_a_damaged_segment_is_set_aside_and_the_next_one_loaded(
    bench: Bench, tmp_path: Path
) -> None:
    bench.put(bench.event())
    bad = bench.put(bench.event())
    path = next((tmp_path / "log").glob("*.log"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    bench.loader.start()
    assert bench.loaded(Position(bench.log.name, bad.segment + 1, 0))
    assert bench.loaded(bench.put(bench.event()))
    assert len(bench.store.rows) == 2
    assert bench.log.corrupt == 1


def test_stopping_loads_what_is_left(bench: Bench) -> None:
    bench.loader.start()
    for _ in range(5):
        bench.put(bench.event())
    bench.log.close()
    bench.loader.stop()
    assert len(bench.store.rows) == 5


def test_stopping_does_not_wait_for_a_store_that_refuses(bench: Bench) -> None:
    bench.loader.start()
    bench.store.trouble = "gone"
    bench.put(bench.event())
    bench.log.close()
    bench.loader.stop()
    assert bench.store.rows == {}
    assert bench.log.size() > 0


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
    bench.loader._log.wake()
    until(lambda: len(bench.store.retained) == 2)
    assert bench.store.retained == [
        ("stratus", first - 395 * DAY_MS),
        ("stratus", first + DAY_MS - 395 * DAY_MS),
    ]
