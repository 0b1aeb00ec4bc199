from __future__ import annotations

import pytest

from askfirst.stores.base import Loaded, StoreError
from askfirst.stores.duckdb import memory
from askfirst.stores.opening import open_store
from tests.stores.making import events


def limit(store):
    [(text,)] = store._connection.execute("SELECT current_setting('memory_limit')").fetchall()
    return text


def test_a_store_takes_more_for_a_question_only(tmp_path):
    store = open_store(tmp_path / "store")
    assert limit(store) == f"{memory.LOADING}.0 MiB"
    with store._memory.of(200):
        with store._memory.of(100):
            assert limit(store) == "200.0 MiB"
        with pytest.raises(KeyError), store._memory.of(300):  # noqa: PT012 - the limit is looked at inside
            assert limit(store) == "300.0 MiB"
            raise KeyError
        assert limit(store) == "200.0 MiB"
    assert limit(store) == f"{memory.LOADING}.0 MiB"
    store.close()


def test_a_load_that_needs_more_than_it_may_have_is_possible_the_next_time(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "LOADING", 4)
    store = open_store(tmp_path / "store")
    many = [events(*({"id": n, "who": n} for n in range(30_000)))]
    with pytest.raises(StoreError, match="block of size"):
        store.load(many, {})
    assert store.load(many, {}) == Loaded(30_000, 0)
    assert store.check() == []
    store.close()


def test_the_limit_is_at_most_half_of_what_the_machine_has():
    assert memory.setting(1 << 40) != f"SET memory_limit = '{1 << 40}MiB'"
    assert memory.setting(1) == "SET memory_limit = '1MiB'"
