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
    assert [line.count("run `askfirst store retain` once") for line in said] == [1, 1]

    place = upkeep.Place(store, None, lambda: late, tmp_path)
    upkeep.do(place, "retain", b'{"days": 300}')  # says nothing of the clock
    assert not retention.is_sure(store, late)
    upkeep.do(place, "retain", b"{}")
    assert retention.is_sure(store, late + DAY_MS)
    assert store.count(TOOL) == 2
    store.close()
