"""What other collectors' logs still hold of an installation that was erased is left out."""

from __future__ import annotations

import pytest

from askfirst.contract.event import now_ms
from askfirst.stores.base import DAY_MS, DUPLICATE, STORED, Loaded, Position
from askfirst.stores.clickhouse.batch import CLOCKS_MS
from askfirst.stores.clickhouse.store import ClickHouseStore
from tests.stores.making import DAY, TOOL, events, hashed

NOW = now_ms()  # a moment of long ago would be forgotten at once
RECEIVED = {"day": NOW // DAY_MS - 1 - DAY}
ARRIVED = NOW // DAY_MS - 1


@pytest.fixture
def second(url, store):
    """The same store, open for another collector."""
    opened = ClickHouseStore(url, collector="second")
    yield opened
    opened.close()


def waiting():
    """Return what lies in a log since yesterday."""
    rows = {"who": "ann", "id": 1}, {"who": "ann", "id": 2}, {"who": "bob", "id": 3}
    return [events(*({**row, **RECEIVED} for row in rows))]


def counted(store):
    return store.query("quality", {"tool": TOOL, "as_of": ARRIVED})


def test_what_was_received_before_the_erasure_is_left_out(store, second):
    assert store.erase(TOOL, hashed("ann"), NOW) == 0

    assert second.load(waiting(), {}, Position("0", 1, 1)) == Loaded(1, 0)

    assert counted(store) == [(ARRIVED, STORED, 1)]
    assert second.erase(TOOL, hashed("ann")) == 0
    assert second.load(waiting(), {}, Position("0", 1, 2)) == Loaded(0, 1)
    assert counted(store) == [(ARRIVED, DUPLICATE, 1), (ARRIVED, STORED, 1)]
    assert second.load([events({"who": "ann", "id": 1}, tool="b")], {}) == Loaded(1, 0)


def test_clocks_may_differ_and_who_comes_back_afterwards_counts(store, second):
    store.erase(TOOL, hashed("ann"), NOW)
    late = [
        {"who": "ann", "id": 1, "received": NOW + CLOCKS_MS},
        {"who": "ann", "id": 2, "received": NOW + CLOCKS_MS + 1},
    ]

    assert second.load([events(*late)], {}) == Loaded(1, 0)
    [part] = second.events(TOOL)
    assert part.ids() == [hashed(2)[:16]]


@pytest.mark.parametrize("step", ["_erased", "_insert"])
def test_an_erasure_in_the_middle_of_a_load_reaches_what_it_brings(
    store, second, step, monkeypatch
):
    """Right after the load has looked who is erased, and right after it has brought its events."""
    inner = getattr(second, step)
    erased = []

    def erasing(*words):
        found = inner(*words)
        if not erased:
            erased.append(store.erase(TOOL, hashed("ann"), NOW))
        return found

    with monkeypatch.context() as patched:
        patched.setattr(second, step, erasing)
        assert second.load(waiting(), {}, Position("0", 1, 1)) == Loaded(1, 0)

    assert erased == [2 if step == "_insert" else 0]
    assert store.count(TOOL) == 1
    assert counted(store) == [(ARRIVED, STORED, 1)]


def test_what_a_load_brought_before_it_was_cut_short_is_erased_when_it_goes_on(
    store, second, monkeypatch
):
    """The erasure finds it, and the load that comes again does not bring it back."""
    with monkeypatch.context() as patched:
        patched.setattr(second, "_add_counts", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            second.load(waiting(), {}, Position("0", 1, 1))
    assert store.erase(TOOL, hashed("ann"), NOW) == 2

    assert second.load(waiting(), {}, Position("0", 1, 1)) == Loaded(1, 0)
    assert store.count(TOOL) == 1


def test_an_erasure_is_forgotten_when_no_log_can_hold_it(store, url, clickhouse):
    database = url.rpartition("/")[2]
    store.erase(TOOL, hashed("ann"), NOW - 61 * DAY_MS)
    store.erase(TOOL, hashed("bob"), NOW - 59 * DAY_MS)

    clickhouse.ask(f"OPTIMIZE TABLE {database}.erasures FINAL")

    kept = clickhouse.ask(f"SELECT lower(hex(installation)) FROM {database}.erasures")
    assert kept == hashed("bob").hex()
