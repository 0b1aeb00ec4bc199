"""Limits: what passes, how long to wait, and how much memory they may take."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.collector.limits import DailyCap, RateLimit
from askfirst.stores.base import DAY_MS


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.fixture(name="make")
def _make(clock: Clock) -> Callable[..., RateLimit]:
    return lambda *args, **more: RateLimit(*args, **more, now=clock)


def test_a_burst_passes_and_then_one_at_a_time(
    make: Callable[..., RateLimit], clock: Clock
) -> None:
    limit = make(60, 5)
    assert [limit.allow(b"a") for _ in range(5)] == [0.0] * 5
    assert limit.allow(b"a") == pytest.approx(1.0)
    clock.seconds += 0.75
    assert limit.allow(b"a") == pytest.approx(0.25)
    clock.seconds += 0.25
    assert limit.allow(b"a") == 0.0
    assert limit.allow(b"a") == pytest.approx(1.0)


def test_a_client_that_waits_as_long_as_it_is_told_is_let_in(
    make: Callable[..., RateLimit], clock: Clock
) -> None:
    limit = make(7, 3)
    for _ in range(200):
        wait = limit.allow(b"a")
        if wait:
            clock.seconds += wait
            assert limit.allow(b"a") == 0.0


def test_clients_do_not_share_a_bucket(make: Callable[..., RateLimit]) -> None:
    limit = make(60, 1)
    assert limit.allow(b"a") == 0.0
    assert limit.allow(b"a") > 0.0
    assert limit.allow(b"b") == 0.0


def test_what_is_refused_costs_nothing(make: Callable[..., RateLimit], clock: Clock) -> None:
    limit = make(60, 2)
    assert limit.allow(b"a", 2) == 0.0
    for _ in range(100):
        assert limit.allow(b"a", 2) == pytest.approx(2.0)
    clock.seconds += 2.0
    assert limit.allow(b"a", 2) == 0.0


def test_a_cost_above_the_burst_empties_the_bucket_and_is_not_refused_for_ever(
    make: Callable[..., RateLimit], clock: Clock
) -> None:
    limit = make(60, 10)
    assert limit.allow(b"a", 1000) == 0.0
    assert limit.allow(b"a") == pytest.approx(1.0)
    clock.seconds += 10.0
    assert limit.allow(b"a", 1000) == 0.0


def test_none_means_no_limit_and_no_memory(make: Callable[..., RateLimit]) -> None:
    limit = make(0, 1)
    assert [limit.allow(b"a", 1000) for _ in range(1000)] == [0.0] * 1000
    assert len(limit) == 0


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 4)), max_size=60), st.integers(1, 5))
def test_no_window_of_time_lets_more_through_than_burst_and_rate(
    arrivals: list[tuple[float, int]], burst: int
) -> None:
    clock, taken = Clock(), []
    limit = RateLimit(60, burst, now=clock)
    for pause, cost in arrivals:
        clock.seconds += pause
        if limit.allow(b"a", cost) == 0.0:
            taken.append((clock.seconds, min(cost, burst)))
    for first, (start, _) in enumerate(taken):
        for last in range(first, len(taken)):
            amount = sum(cost for _, cost in taken[first : last + 1])
            assert amount <= burst + (taken[last][0] - start) + 1e-6


def test_memory_is_bounded_whoever_comes(make: Callable[..., RateLimit]) -> None:
    limit = make(60, 1, 100)
    for number in range(10_000):
        assert limit.allow(b"%d" % number) == 0.0
        assert len(limit) <= 100


def test_the_oldest_is_forgotten_first(make: Callable[..., RateLimit]) -> None:
    limit = make(60, 1, 100)
    limit.allow(b"old")
    for number in range(50):
        limit.allow(b"%d" % number)
    assert limit.allow(b"old") > 0.0
    assert limit.allow(b"49") > 0.0
    for number in range(50, 100):
        limit.allow(b"%d" % number)
    assert limit.allow(b"99") > 0.0
    assert limit.allow(b"old") == 0.0


def test_a_client_is_forgotten_after_minutes(make: Callable[..., RateLimit], clock: Clock) -> None:
    limit = make(1, 1, 100, 10)
    limit.allow(b"a")
    clock.seconds += 5 * 60
    limit.allow(b"b")
    assert len(limit) == 2
    clock.seconds += 5 * 60
    limit.allow(b"c")
    assert len(limit) == 2
    clock.seconds += 3600
    limit.allow(b"d")
    assert len(limit) == 1


def test_a_client_that_keeps_coming_is_not_forgotten(
    make: Callable[..., RateLimit], clock: Clock
) -> None:
    limit = make(60, 600, 10, 10)
    limit.allow(b"a", 600)
    passed = 0
    for _ in range(4 * 3600):
        clock.seconds += 0.25
        passed += limit.allow(b"a") == 0.0
    assert 3600 - 1 <= passed <= 3600 + 1


def test_an_installation_is_capped_by_day_of_arrival() -> None:
    cap = DailyCap(3, 10)
    day = 20_000 * DAY_MS
    admitted = [cap.admit("stratus", b"i" * 32, day + n) for n in range(5)]
    assert admitted == [True] * 3 + [False] * 2
    assert not cap.admit("stratus", b"i" * 32, day + DAY_MS - 1)
    assert cap.admit("stratus", b"i" * 32, day + DAY_MS)
    assert len(cap) == 1


def test_installations_and_tools_are_capped_each_for_itself() -> None:
    cap = DailyCap(1, 10)
    assert cap.admit("stratus", b"i" * 32, 0)
    assert cap.admit("nimbus", b"i" * 32, 0)
    assert cap.admit("stratus", b"j" * 32, 0)
    assert not cap.admit("stratus", b"i" * 32, 0)
    assert len(cap) == 3


def test_beyond_the_most_an_installation_is_admitted_uncounted() -> None:
    cap = DailyCap(2, 3)
    some = [bytes([n]) * 32 for n in range(5)]
    for installation in some * 2:
        assert cap.admit("stratus", installation, 0)
    assert len(cap) == 3
    assert [cap.admit("stratus", installation, 0) for installation in some] == [
        False,
        False,
        False,
        True,
        True,
    ]


def test_what_is_given_back_can_be_taken_again() -> None:
    cap = DailyCap(2, 1)
    here, other = b"i" * 32, b"j" * 32
    assert cap.admit("stratus", here, 0)
    assert cap.admit("stratus", here, 0)
    cap.give_back("stratus", here, DAY_MS)  # of another day
    cap.give_back("nimbus", here, 0)
    cap.give_back("stratus", other, 0)
    assert not cap.admit("stratus", here, 0)
    cap.give_back("stratus", here, 0)
    assert cap.admit("stratus", here, 0)
    for _ in range(3):
        cap.give_back("stratus", here, 0)
    assert len(cap) == 0
    assert [cap.admit("stratus", other, 0) for _ in range(3)] == [True, True, False]


def test_no_cap_counts_nothing() -> None:
    cap = DailyCap(0, 3)
    assert all(cap.admit("stratus", b"i" * 32, 0) for _ in range(10))
    assert len(cap) == 0


@pytest.mark.slow
def test_the_sizes_that_are_promised_are_kept() -> None:
    """100,000 clients and 200,000 installations, in bytes that Python itself counts."""
    import tracemalloc

    def measured(fill: Callable[[], object]) -> float:
        tracemalloc.start()
        try:
            kept = fill()
            assert kept is not None
            return tracemalloc.get_traced_memory()[0] / 1e6
        finally:
            tracemalloc.stop()

    def clients() -> RateLimit:
        limit, chance = RateLimit(), random.Random(1)
        for _ in range(150_000):
            limit.allow(chance.randbytes(16))
        return limit

    def installations() -> DailyCap:
        cap, chance = DailyCap(), random.Random(1)
        for _ in range(250_000):
            cap.admit("stratus", chance.randbytes(32), 0)
        return cap

    assert measured(clients) < 18
    assert measured(installations) < 30
