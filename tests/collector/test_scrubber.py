"""When a store is scrubbed, and how often."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest

from askfirst.collector.scrubber import Scrubber
from askfirst.stores.base import DAY_MS, StoreError, StoreStoppedError
from tests.collector.serving import DEADLINE

SOON = 5_000


class Bench:
    """A store that only says when it is scrubbed, each time for as long as `took`."""

    def __init__(self) -> None:
        self.now = 1_795_417_883_502
        self.took = 0
        self.trouble: Exception | None = None
        self.began: list[int] = []
        self.said: list[str] = []
        self.while_it_lasts: Callable[[], None] = lambda: None
        self.scrubber = Scrubber(self, lambda: self.now, self.said.append, look=0.005)  # type: ignore[arg-type]

    def scrub(self, _stopped: Callable[[], bool]) -> bool:
        self.began.append(self.now)
        self.now += self.took
        self.while_it_lasts()
        if self.trouble:
            raise self.trouble
        return True

    def after(self, milliseconds: int) -> int:
        """Let so much time pass; return how many scrubs there have been."""
        self.now += milliseconds
        self.scrubber.scrub_when_due()
        return len(self.began)


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.scrubber.stop()


def test_nothing_is_scrubbed_before_something_is_forgotten(bench: Bench) -> None:
    assert bench.after(DAY_MS) == 0
    bench.scrubber.forgotten(SOON)
    assert [bench.after(SOON - 1), bench.after(1), bench.after(DAY_MS)] == [0, 1, 1]


def test_what_is_forgotten_together_is_scrubbed_at_once(bench: Bench) -> None:
    for _ in range(4):
        bench.scrubber.forgotten(SOON)
        bench.now += 1_000
    assert [bench.after(1_000), bench.after(DAY_MS)] == [1, 1]


def test_what_is_forgotten_during_a_scrub_is_due_again(bench: Bench) -> None:
    bench.while_it_lasts = lambda: bench.scrubber.forgotten(SOON)
    bench.scrubber.forgotten(0)
    assert bench.after(0) == 1
    bench.while_it_lasts = lambda: None
    assert [bench.after(SOON), bench.after(DAY_MS)] == [2, 2]


def test_a_scrub_that_fails_is_said_and_tried_again(bench: Bench) -> None:
    bench.trouble = StoreError("not now")
    bench.scrubber.forgotten(0)
    assert bench.after(0) == 1
    assert bench.said == ["what was erased can still be read in the store's files: not now"]
    bench.trouble = None
    assert [bench.after(29_999), bench.after(1), bench.after(DAY_MS)] == [1, 2, 2]


def test_a_mistake_of_ours_is_shown_whole_and_does_not_end_it(bench: Bench) -> None:
    bench.trouble = KeyError("lost")
    bench.scrubber.forgotten(0)
    bench.after(0)
    assert "Traceback" in bench.said[1]
    bench.trouble = None
    assert bench.after(30_000) == 2


def test_erasures_without_end_leave_most_of_the_time_for_loading(bench: Bench) -> None:
    bench.took = 30_000
    end = bench.now + 3_600_000
    while bench.now < end:
        bench.scrubber.forgotten(SOON)
        bench.after(SOON)
    waits = [later - first - bench.took for first, later in itertools.pairwise(bench.began)]
    assert waits[:2] == [SOON, SOON]  # a few follow each other as they come
    assert set(waits[4:]) == {4 * bench.took}
    assert len(bench.began) * bench.took < 0.3 * 3_600_000


def test_a_clock_that_leaps_during_a_scrub_does_not_put_off_the_next_for_long(
    bench: Bench,
) -> None:
    bench.took = 365 * DAY_MS
    bench.scrubber.forgotten(0)
    bench.after(0)
    bench.scrubber.forgotten(SOON)
    assert bench.after(3_600_000) == 2


def test_the_thread_scrubs_by_itself_and_is_told_to_stop(bench: Bench) -> None:
    begun, asked = threading.Event(), threading.Event()

    def scrub(stopped: Callable[[], bool]) -> bool:
        begun.set()
        assert not stopped()
        end = threading.Event()
        while not stopped():
            end.wait(0.001)
        asked.set()
        raise StoreStoppedError("later")

    bench.scrub = scrub  # type: ignore[method-assign]
    bench.scrubber.start()
    bench.scrubber.forgotten(0)
    assert begun.wait(DEADLINE)
    bench.scrubber.stop()
    assert asked.is_set()
    assert bench.said == []  # it is due at the next start, which nobody has to be told
