"""What is counted once, although nothing is a transaction."""

from __future__ import annotations

import threading

import pytest

from askfirst.stores.base import DUPLICATE, STORED, Loaded, Position
from askfirst.stores.clickhouse.store import ClickHouseStore
from tests.stores.making import DAY, TOOL, events
from tests.stores.test_store import quality, stored

MANY = [
    {"id": row, "who": row % 7, "day": row % 40, "application.name": f"{row % 3}"}
    for row in range(500)
]


@pytest.fixture
def second(url, store):
    """The same store, open for another collector."""
    opened = ClickHouseStore(url, collector="second")
    yield opened
    opened.close()


def rows(store, url, clickhouse):
    """Count what is there physically."""
    return int(clickhouse.ask(f"SELECT count() FROM {url.rpartition('/')[2]}.events"))


def test_logs_of_two_collectors_have_positions_of_their_own(store, second):
    store.load([], {}, Position("0", 5, 100))

    assert second.position("0") is None

    second.load([], {}, Position("0", 1, 1))
    assert store.position("0") == Position("0", 5, 100)


def test_what_two_collectors_have_is_a_duplicate_at_the_second(store, second):
    assert store.load([events(*MANY)], {}, Position("0", 1, 1)) == Loaded(500, 0)
    assert second.load([events(*MANY)], {}, Position("0", 1, 1)) == Loaded(0, 500)


def test_what_two_collectors_load_in_the_same_moment_is_in_every_answer_once(
    store, second, url, clickhouse, monkeypatch
):
    """Neither sees the other's events when it looks; the engine keeps one of each."""
    clickhouse.ask(f"SYSTEM STOP MERGES {url.rpartition('/')[2]}.events")
    both_have_looked = threading.Barrier(2)
    for one in (store, second):
        look = one._look_up

        def waits(*words, look=look):
            found = look(*words)
            both_have_looked.wait(120)
            return found

        monkeypatch.setattr(one, "_look_up", waits)
    threads = [
        threading.Thread(target=one.load, args=([events(*MANY)], {}, Position("0", 1, 1)))
        for one in (store, second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert rows(store, url, clickhouse) == 1000
    assert store.count(TOOL) == 500
    assert len(stored(store)) == 500
    asked = {"tool": TOOL, "as_of": DAY + 27}
    assert [row[2:4] for row in store.query("commands", asked) if row[1] is None] == [(356, 7)]
    names = ("activity", "active_days", "retention", "applications", "side_by_side")
    doubled = [sorted(store.query(name, {**asked, "first": DAY})) for name in names]
    clickhouse.ask(f"SYSTEM START MERGES {url.rpartition('/')[2]}.events")
    clickhouse.ask(f"OPTIMIZE TABLE {url.rpartition('/')[2]}.events FINAL")
    assert rows(store, url, clickhouse) == 500
    assert [sorted(store.query(name, {**asked, "first": DAY})) for name in names] == doubled


def test_a_load_that_was_cut_short_is_not_taken_for_duplicates(store, url, clickhouse, monkeypatch):
    """Nor are those it would have recognised; and what it brought is not sent again."""
    store.load([events(*MANY[:50])], {}, Position("0", 1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(store, "_add_counts", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.load([events(*MANY[:300])], {}, Position("0", 1, 2))
    assert rows(store, url, clickhouse) == 300

    assert store.load([events(*MANY)], {}, Position("0", 1, 3)) == Loaded(450, 50)

    assert rows(store, url, clickhouse) == 500
    assert sum(n for _, kind, n in quality(store) if kind == STORED) == 500
    assert sum(n for _, kind, n in quality(store) if kind == DUPLICATE) == 50


def test_an_insert_that_is_sent_twice_is_stored_and_counted_once(
    store, url, clickhouse, monkeypatch
):
    """As when the answer to the first was lost."""
    insert = store._insert

    def twice(*words):
        insert(*words)
        insert(*words)

    monkeypatch.setattr(store, "_insert", twice)
    made = events(*MANY)
    made.received = made.timestamp[:1] * len(made)
    assert store.load([made], {}, Position("0", 1, 1)) == Loaded(500, 0)

    assert rows(store, url, clickhouse) == 500
    assert quality(store) == [(DAY, STORED, 500)] or quality(store)[-1] == (DAY, STORED, 500)


def test_events_of_many_periods_are_taken_in_one_load(store):
    far = [{"id": row, "day": row * 28} for row in range(110)]  # 100 would do without a setting

    assert store.load([events(*far)], {}) == Loaded(110, 0)
    assert [part.timestamp[0] for part in store.events(TOOL)] == sorted(events(*far).timestamp)
