"""What is sealed, and what waits to be, gives one answer."""

from __future__ import annotations

import pytest

from askfirst.stores.base import DAY_MS, Loaded
from askfirst.stores.duckdb import sealing
from askfirst.stores.opening import open_store
from tests.stores import test_store
from tests.stores.making import DAY, TOOL, events, hashed


@pytest.fixture(params=[1, 25, 60])
def store(request, tmp_path, monkeypatch):
    """Seal at every load, or after some."""
    monkeypatch.setattr(sealing, "ENOUGH", request.param)
    monkeypatch.setattr(sealing, "MOST_SPANS", 5)
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def table(store, name):
    return store._connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


def test_nothing_is_lost_or_invented_however_often_it_is_sealed(store):
    test_store.test_nothing_of_random_loads_erasures_and_retentions_is_lost_or_invented(store)


def test_what_is_loaded_comes_back_unchanged(store):
    test_store.test_what_is_loaded_comes_back_unchanged(store)


def test_loads_are_sealed_once_there_is_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ENOUGH", 10)
    store = open_store(tmp_path / "store")
    found = []
    for load in range(4):
        store.load([events(*({"id": (load, row), "day": row} for row in range(4)))], {})
        found.append((table(store, "recent"), table(store, "sealed")))
    assert found == [(4, 0), (8, 0), (0, 12), (4, 12)]
    store.load([events(*({"id": (9, row), "day": row} for row in range(10)))], {})
    assert (table(store, "recent"), table(store, "sealed")) == (4, 22)
    assert store.check() == []
    store.close()


def test_many_loads_leave_one_row_for_each_span_and_day(store):
    for load in range(30):
        rows = ({"id": (load, who), "who": who, "day": who % 3} for who in range(60))
        assert store.load([events(*rows)], {}) == Loaded(60, 0)
    assert table(store, "recent") == 0
    assert table(store, "days") == 3
    assert table(store, "spans") <= 60 + 5 + 60
    assert store.check() == []


def test_a_day_whose_last_event_is_erased_is_no_day_of_activity(store):
    store.load([events({"who": "ann"}, {"who": "bob", "day": 1})], {})
    store.erase(TOOL, hashed("ann"))

    [row] = store.query("activity", {"tool": TOOL, "as_of": DAY + 1})
    assert row == (1, 1, 1, 0, 1, 0, DAY + 1)


def test_retention_in_the_middle_of_a_day_keeps_the_rest_of_the_day(store):
    rows = [{"who": who, "ms": who * 1000, "id": who} for who in range(60)]
    store.load([events(*rows)], {})
    assert store.retain(TOOL, DAY * DAY_MS + 20_000) == 20

    [row] = store.query("activity", {"tool": TOOL, "as_of": DAY})
    assert row[0] == 40
    assert store.query("versions", {"tool": TOOL, "as_of": DAY}) == [
        ("1.0.0", DAY * DAY_MS + 20_000)
    ]
    assert store.check() == []


def test_more_installations_than_one_chunk_has(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ENOUGH", 20_000)
    store = open_store(tmp_path / "store")
    people = 17_000
    for day in range(2):
        rows = ({"id": (day, who), "who": who, "day": day} for who in range(day, people))
        store.load([events(*rows)], {})
    assert table(store, "days") == 4
    assert store.query("activity", {"tool": TOOL, "as_of": DAY + 1}) == [
        (people - 1, people, people, 0, people, 0, DAY)
    ]
    assert store.query("active_days", {"tool": TOOL, "first": DAY, "as_of": DAY + 1}) == [
        (DAY, 1, people - 1), (DAY, 28, 1), (DAY + 1, 28, people - 1)
    ]  # fmt: skip
    store.close()
