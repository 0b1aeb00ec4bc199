"""`--ack store`: what was acknowledged is in the store, and nothing is on the disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from askfirst.collector.direct import Direct
from askfirst.collector.frames import encode
from askfirst.collector.log import LogClosed, LogFull, LogUnavailable
from askfirst.collector.metrics import Metrics
from askfirst.collector.pipeline import Rules, Terms, sift
from askfirst.contract.event import now_ms
from tests.collector.conftest import MemoryStore
from tests.collector.serving import DEADLINE, make_event, wait_until


class Slow(MemoryStore):
    """A store that takes nothing while `free` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()
        self.asked = threading.Event()

    def load(self, *words: Any) -> Any:
        self.asked.set()
        assert self.free.wait(DEADLINE)
        return super().load(*words)

    def contracts(self) -> Any:
        self._refuse()
        return super().contracts()


@pytest.fixture
def store() -> Slow:
    return Slow()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(store: Slow, said: list[str]) -> Any:
    made = []

    def begin(**settings: Any) -> Direct:
        made.append(Direct(store, Metrics(), said.append, **settings))
        return made[-1]

    yield begin
    store.free.set()
    for direct in made:
        direct.close()


@pytest.fixture
def payload(contract: Any) -> Callable[..., bytes]:
    def frame(*events: dict[str, Any]) -> bytes:
        return encode(sift(events or [make_event()], Rules(Terms(contract), now_ms())).frame)

    return frame


def test_it_is_stored_when_it_is_acknowledged(make: Any, store: Slow, payload: Any) -> None:
    direct = make()
    asyncio.run(direct.write(payload()))
    assert len(store.rows) == 1
    assert direct.waiting() == 0


def test_requests_that_wait_share_a_load(make: Any, store: Slow, payload: Any) -> None:
    direct = make()

    store.free.clear()

    async def crowd() -> None:
        first = asyncio.create_task(direct.write(payload()))
        await asyncio.to_thread(store.asked.wait, DEADLINE)
        others = [asyncio.create_task(direct.write(payload())) for _ in range(50)]
        await asyncio.sleep(0)  # each of them has asked
        store.free.set()
        await asyncio.gather(first, *others)

    asyncio.run(crowd())
    assert store.loads == [1, 50]


def test_one_that_comes_again_is_acknowledged_and_there_once(
    make: Any, store: Slow, payload: Any
) -> None:
    direct, again = make(), payload()
    for _ in range(2):
        asyncio.run(direct.write(again))
    assert len(store.rows) == 1


def test_what_the_store_refuses_is_refused_until_it_takes_again(
    make: Any, store: Slow, payload: Any, said: list[str]
) -> None:
    direct = make()
    store.trouble = "away"
    with pytest.raises(LogUnavailable) as caught:
        asyncio.run(direct.write(payload()))
    assert caught.value.retry_after == 30
    assert "away" not in str(caught.value)  # where the server is, is nobody's business
    assert direct.trouble == "away"
    with pytest.raises(LogUnavailable):
        asyncio.run(direct.write(payload()))
    assert direct.waiting() == 0
    store.trouble = ""
    wait_until(lambda: direct.trouble == "")
    asyncio.run(direct.write(payload()))
    assert len(store.rows) == 1
    assert said == [
        "the store takes nothing, and senders are told to wait: away",
        "the store takes events again",
    ]


def test_a_store_that_is_away_at_the_start_is_waited_for(
    make: Any, store: Slow, payload: Any
) -> None:
    store.trouble = "away"
    direct = make(is_away=True)
    with pytest.raises(LogUnavailable):
        asyncio.run(direct.write(payload()))
    store.trouble = ""
    wait_until(lambda: direct.trouble == "")
    asyncio.run(direct.write(payload()))


def test_nobody_waits_longer_than_the_patience(make: Any, store: Slow, payload: Any) -> None:
    direct = make(patience=0.5)
    store.free.clear()

    def one_is_being_loaded() -> bool:
        with pytest.raises(LogUnavailable):
            asyncio.run(direct.write(payload()))
        return store.asked.is_set()

    wait_until(one_is_being_loaded)
    for _ in range(2):  # these wait behind it
        assert one_is_being_loaded()
    store.free.set()
    wait_until(lambda: direct.waiting() == 0)
    assert len(store.loads) == 1  # nobody waited for the others any more


def test_what_waits_in_memory_is_bounded(make: Any, store: Slow, payload: Any) -> None:
    one = payload()
    direct = make(waiting_bytes=3 * len(one))
    store.free.clear()

    async def crowd() -> list[Any]:
        writing = [asyncio.create_task(direct.write(payload())) for _ in range(6)]
        done, _ = await asyncio.wait(writing, return_when=asyncio.FIRST_COMPLETED)
        store.free.set()
        assert done
        return await asyncio.gather(*writing, return_exceptions=True)

    results = asyncio.run(crowd())
    full = [row for row in results if isinstance(row, LogFull)]
    assert len(full) == 3
    assert len(store.rows) == 3


def test_what_waits_at_the_end_is_loaded(make: Any, store: Slow, payload: Any) -> None:
    direct = make()
    store.free.clear()

    async def end() -> None:
        writing = [asyncio.create_task(direct.write(payload())) for _ in range(3)]
        await asyncio.to_thread(store.asked.wait, DEADLINE)
        closing = asyncio.create_task(asyncio.to_thread(direct.close))
        store.free.set()
        await asyncio.gather(closing, *writing)
        with pytest.raises(LogClosed):
            await direct.write(payload())

    asyncio.run(end())
    assert len(store.rows) == 3


def test_a_request_is_answered_when_the_store_has_it_and_nothing_is_on_the_disk(
    make_api: Any, contract: Any, event: Callable[..., Any], tmp_path: Any
) -> None:
    api = make_api(contract, ack="store")
    batch = {"tool": "stratus", "events": [event()]}
    assert api.post("/v1/events", batch).status == 200
    assert len(api.store.rows) == 1  # no wait: it was there before the answer
    api.store.trouble = "away"
    answer = api.post("/v1/events", batch)
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert api.get("/health/ready").status == 503
    api.store.trouble = ""
    wait_until(lambda: api.get("/health/ready").status == 200)
    assert api.post("/v1/events", batch).status == 200
    assert len(api.store.rows) == 1
    assert not [path for path in (tmp_path / "log").rglob("*") if path.is_file()]
