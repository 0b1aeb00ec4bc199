"""What one transaction promises."""

from __future__ import annotations

import pytest

from askfirst.stores.base import Loaded, Position
from askfirst.stores.opening import open_store
from tests.stores.making import events
from tests.stores.test_store import stored


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def test_a_load_that_fails_leaves_nothing_behind(store, monkeypatch):
    """Not in the tables, and not in the memory of keys either."""

    def fails(*_):
        raise KeyError("boom")

    before = events({"id": 1, "application.name": "a" * 64})
    after = events({"id": 2, "who": "bob", "version": "2.0.0", "application.name": "b" * 64})
    store.load([before], {}, Position("log", 1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(store, "_add_counts", fails)
        with pytest.raises(KeyError, match="boom"):
            store.load([after], {}, Position("log", 1, 2))
    assert store.position("log") == Position("log", 1, 1)
    assert len(stored(store)) == 1
    assert store.check() == []

    assert store.load([after], {}, Position("log", 1, 2)) == Loaded(1, 0)
    assert len(stored(store)) == 2
    assert store.check() == []
