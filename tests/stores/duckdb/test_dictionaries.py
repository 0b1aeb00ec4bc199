from __future__ import annotations

import pytest

from askfirst.stores.base import Loaded
from askfirst.stores.duckdb import dictionaries
from askfirst.stores.opening import open_store
from tests.stores.making import TOOL, events


def rows(load, people=10):
    return (
        {
            "id": (load, who),
            "who": who,
            "application.name": f"{who:064}",
            "runtime": f"{load % 3}.0",
        }
        for who in range(people)
    )


def keys(store):
    tables = {}
    for table in ("installations", "sayings", "versions", "commands"):
        found = store._connection.execute(f"SELECT key FROM {table} ORDER BY key").fetchall()
        tables[table] = [key for (key,) in found]
    return tables


@pytest.mark.parametrize("most", [0, 3, 100])
def test_keys_are_the_same_however_little_is_remembered(tmp_path, monkeypatch, most):
    monkeypatch.setattr(dictionaries, "MOST_REMEMBERED", most)
    store = open_store(tmp_path / "store")
    for load in range(6):
        assert store.load([events(*rows(load))], {}) == Loaded(10, 0)

    assert store.check() == []
    assert len(keys(store)["installations"]) == 10
    assert len(keys(store)["sayings"]) == 10 + 3
    store.close()


def test_keys_are_found_again_after_a_restart(tmp_path):
    for load in (0, 3, 6):
        store = open_store(tmp_path / "store")
        store.load([events(*rows(load))], {})
        found = keys(store)
        store.close()

    assert [len(found[table]) for table in found] == [10, 11, 1, 1]


def test_an_application_and_an_environment_of_one_name_are_two(tmp_path):
    store = open_store(tmp_path / "store")
    same = {"application.name": "a" * 64, "application.env": "a" * 64}
    store.load([events(same)], {})

    [part] = store.events(TOOL)
    assert part.rows_of_fields() == [same]
    assert len(keys(store)["sayings"]) == 2
    store.close()
