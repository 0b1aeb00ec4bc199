"""A clock that is far ahead forgets nothing by itself."""

from __future__ import annotations

from pathlib import Path

from askfirst.collector import upkeep
from askfirst.collector.retaining import Retention
from askfirst.stores.base import DAY_MS
from askfirst.stores.opening import open_store
from tests.stores.making import DAY, TOOL, contract, events

ARRIVED = DAY * DAY_MS


def test_a_clock_far_ahead_is_not_believed_until_somebody_says_so(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.duckdb")
    store.declare(contract())
    said: list[str] = []
    assert Retention(tmp_path, said.append).is_sure(store, ARRIVED)  # there is nothing to forget
    store.load([events({"received": ARRIVED})], {})
    late = ARRIVED + 100 * DAY_MS
    retention = Retention(tmp_path, said.append)
    assert retention.is_sure(store, ARRIVED + 35 * DAY_MS)
    assert not retention.is_sure(store, late)
    store.load([events({"id": 2, "received": late})], {})
    assert not retention.is_sure(store, late + DAY_MS)
    assert not Retention(tmp_path, said.append).is_sure(store, late + DAY_MS)
    assert [line.count("run `askfirst store retain`") for line in said] == [1, 1]

    place = upkeep.Place(store, None, lambda: late, tmp_path)
    upkeep.do(place, "retain", b'{"days": 300}')  # says nothing of the clock
    assert not retention.is_sure(store, late)
    upkeep.do(place, "retain", b"{}")
    assert retention.is_sure(store, late + DAY_MS)
    assert store.count(TOOL) == 2
    store.close()


def test_where_nothing_may_be_kept_it_remembers_until_it_ends(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.duckdb")
    store.declare(contract())
    store.load([events({"received": ARRIVED})], {})
    retention = Retention(None, lambda _: None)
    assert retention.is_sure(store, ARRIVED)
    retention.done(ARRIVED)
    late = ARRIVED + 100 * DAY_MS
    store.load([events({"id": 2, "received": late})], {})
    assert not retention.is_sure(store, late)
    assert Retention(None, lambda _: None).is_sure(store, late)
    store.close()


def test_a_clock_that_nobody_puts_right_for_a_week_is_right(tmp_path: Path) -> None:
    """Else a collector that was down for long would keep what it promised to forget."""
    store = open_store(tmp_path / "s.duckdb")
    store.declare(contract())
    store.load([events({"received": ARRIVED})], {})
    passed = 1_000.0
    retention = Retention(tmp_path, lambda _: None, lambda: passed)
    now = ARRIVED + 100 * DAY_MS
    assert not retention.is_sure(store, now)
    passed += 6 * 86_400
    assert not retention.is_sure(store, now + 6 * DAY_MS)
    assert retention.is_sure(store, ARRIVED + DAY_MS)  # put right
    assert not retention.is_sure(store, now)  # and wrong again: its week begins anew
    passed += 6 * 86_400
    assert not retention.is_sure(store, now + 6 * DAY_MS)
    passed += 2 * 86_400
    assert retention.is_sure(store, now + 8 * DAY_MS)
    store.close()
