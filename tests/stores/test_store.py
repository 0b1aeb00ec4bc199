"""What every store must do."""

from __future__ import annotations

import random
import threading

import pytest

from askfirst.stores.base import (
    DAY_MS,
    DUPLICATE,
    LATE,
    LATE_AFTER_MS,
    SKEW_MS,
    SKEWED,
    STORED,
    Loaded,
    Position,
    StoreError,
)
from tests.stores.making import DAY, NOON, TOOL, contract, events, hashed


def quality(store, tool=TOOL):
    return store.query("quality", {"tool": tool, "as_of": DAY + 1000})


def stored(store, tool=TOOL):
    """Return every stored event of a tool, as (timestamp, id, who, version, command, fields)."""
    return sorted(
        row
        for part in store.events(tool)
        for row in zip(
            part.timestamp,
            part.ids(),
            part.installations(),
            part.version,
            part.command,
            (sorted(fields.items()) for fields in part.rows_of_fields()),
            strict=True,
        )
    )


def test_what_is_loaded_comes_back_unchanged(store):
    fields = {"application.name": "ab" * 32, "runtime": "2.0.0", "flag": True}
    made = events(
        fields, {"who": "bob", "application.env": "production"}, {"application.name": True}
    )

    assert store.load([made], {}) == Loaded(3, 0)

    [back] = store.events(TOOL)
    assert sorted(back.ids()) == sorted(made.ids())
    assert {tuple(sorted(row.items())) for row in back.rows_of_fields()} == {
        tuple(sorted(row.items())) for row in made.rows_of_fields()
    }


def test_an_event_that_comes_again_is_a_duplicate(store):
    made = events({"id": 1}, {"id": 2})
    store.load([made], {})

    assert store.load([made], {}) == Loaded(0, 2)
    assert quality(store) == [(DAY, DUPLICATE, 2), (DAY, STORED, 2)]


def test_the_second_of_two_in_one_load_is_a_duplicate(store):
    made = events({"id": 1, "version": "1.0.0"}, {"id": 2}, {"id": 1, "version": "2.0.0"})

    assert store.load([made], {}) == Loaded(2, 1)
    assert {row[3] for row in stored(store)} == {"1.0.0"}


def test_the_second_of_two_in_two_parts_of_one_load_is_a_duplicate(store):
    made = events({"id": 1})

    assert store.load([made, made], {}) == Loaded(1, 1)


def test_the_same_id_at_another_time_or_of_another_tool_is_another_event(store):
    parts = [events({"id": 1}, {"id": 1, "ms": NOON + 1}), events({"id": 1}, tool="other")]

    assert store.load(parts, {}) == Loaded(3, 0)


def test_a_duplicate_leaves_no_trace_of_an_installation(store):
    store.load([events({"id": 1, "who": "ann"})], {})
    store.load([events({"id": 1, "who": "eve"})], {})

    assert store.erase(TOOL, hashed("eve")) == 0


def test_late_and_skewed_events_are_counted_on_the_day_they_arrive(store):
    moment = DAY * DAY_MS + NOON
    made = events(
        {"received": moment + LATE_AFTER_MS},
        {"received": moment + LATE_AFTER_MS + 1},
        {"received": moment - SKEW_MS},
        {"received": moment - SKEW_MS - 1},
    )
    store.load([made], {})

    assert quality(store) == [
        (DAY, SKEWED, 1),
        (DAY, STORED, 2),
        (DAY + 7, LATE, 1),
        (DAY + 7, STORED, 2),
    ]


def test_counts_that_come_along_are_added_up(store):
    for _ in range(2):
        store.load([], {(TOOL, DAY, "dropped:too-old"): 3, (TOOL, DAY, "dropped:other"): 0})

    assert quality(store) == [(DAY, "dropped:too-old", 6)]
    assert store.tools() == []


def test_the_position_is_that_of_the_last_load(store):
    assert store.position("log") is None

    store.load([events({})], {}, Position("log", 1, 10))
    store.load([], {}, Position("log", 2, 0))
    store.load([], {})

    assert store.position("log") == Position("log", 2, 0)
    assert store.position("another") is None


def test_a_load_that_fails_counts_once_when_it_comes_again(store, monkeypatch):
    def fails(*_):
        raise KeyError("boom")

    before = events({"id": 1, "application.name": "a" * 64})
    after = events({"id": 2, "who": "bob", "version": "2.0.0", "application.name": "b" * 64})
    more = events({"id": 1}, {"id": 2, "who": "bob"}, {"id": 3})
    store.load([before], {}, Position("log", 1, 1))
    with monkeypatch.context() as patched:
        patched.setattr(store, "_add_counts", fails)
        with pytest.raises(KeyError, match="boom"):
            store.load([after], {}, Position("log", 1, 2))
    assert store.position("log") == Position("log", 1, 1)
    assert quality(store) == [(DAY, STORED, 1)]
    assert store.check() == []

    assert store.load([more], {}, Position("log", 1, 3)) == Loaded(2, 1)
    assert len(stored(store)) == 3
    assert quality(store) == [(DAY, DUPLICATE, 1), (DAY, STORED, 3)]
    assert store.check() == []


def test_columns_of_different_length_are_refused_whole(store):
    made = events({}, {})
    made.command.pop()

    with pytest.raises(ValueError, match="length"):
        store.load([made], {})
    assert store.tools() == []


def test_erasing_forgets_one_installation_and_nothing_else(store):
    ann = {"who": "ann", "application.name": "a" * 64, "runtime": "1.0.0"}
    bob = {"who": "bob", "application.name": "b" * 64, "runtime": "1.0.0"}
    store.load([events(ann, ann, bob), events(ann, tool="other")], {})

    assert store.erase(TOOL, hashed("ann")) == 2

    assert {row[2] for row in stored(store)} == {hashed("bob")}
    assert len(stored(store, "other")) == 1
    assert store.check() == []
    assert store.erase(TOOL, hashed("ann")) == 0
    assert store.erase("nothing", hashed("bob")) == 0


def test_who_was_erased_and_comes_back_is_counted_again(store):
    made = events({"id": 1, "application.name": "a" * 64})
    store.load([made], {})
    store.erase(TOOL, hashed("ann"))

    assert store.load([made], {}) == Loaded(1, 0)
    assert store.check() == []


def test_retention_forgets_old_events_and_whom_only_they_knew(store):
    old = {"who": "ann", "version": "1.0.0", "application.name": "a" * 64}
    both = {"who": "bob", "application.name": "b" * 64, "runtime": "1.0.0"}
    store.load([events(old, both, {**both, "day": 10, "runtime": "2.0.0", "version": "2.0.0"})], {})

    assert store.retain(TOOL, (DAY + 10) * DAY_MS) == 2

    [(moment, _, who, version, _, fields)] = stored(store)
    assert (moment, who, version) == ((DAY + 10) * DAY_MS + NOON, hashed("bob"), "2.0.0")
    assert dict(fields) == {"application.name": "b" * 64, "runtime": "2.0.0"}
    assert store.check() == []
    assert store.retain(TOOL, (DAY + 10) * DAY_MS) == 0
    assert store.retain("nothing", (DAY + 10) * DAY_MS) == 0


def test_retention_keeps_other_tools(store):
    store.load([events({}), events({}, tool="other")], {})

    store.retain(TOOL, (DAY + 1) * DAY_MS)

    assert store.tools() == ["other"]


def test_the_contract_in_force_is_the_last_declared(store):
    store.declare(contract("zeppelin"))
    store.declare(contract())
    store.declare(contract(**{"1.0.0": "2024-10-01"}))

    names = [one.name for one in store.contracts()]
    assert names == ["stratus", "zeppelin"]
    assert store.contracts()[0].digest == contract(**{"1.0.0": "2024-10-01"}).digest
    assert store.tools() == names


def test_tools_have_events_or_a_contract(store):
    assert store.tools() == []

    store.load([events({}, tool="b")], {})
    store.declare(contract("a"))

    assert store.tools() == ["a", "b"]


def test_an_unknown_question_is_an_error(store):
    for name in ("nothing", "../statements/tools"):
        with pytest.raises(StoreError, match="no question"):
            store.query(name, {})


def test_questions_are_answered_beside_a_load_from_any_thread(store):
    """Each answer is from before or after a load, never from its middle."""
    seen = set()
    done = threading.Event()

    def ask():
        while not done.is_set():
            for _, kind, n in quality(store):
                seen.add((kind, n % 500))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for load in range(10):
        store.load([events(*({"id": (load, row), "who": row} for row in range(500)))], {})
    done.set()
    for thread in threads:
        thread.join(120)

    assert seen <= {(STORED, 0)}
    assert quality(store) == [(DAY, STORED, 5000)]


def test_nothing_of_random_loads_erasures_and_retentions_is_lost_or_invented(store):
    chance = random.Random(11)
    expected = {}
    sent = []
    for _ in range(30):
        rows = [
            {
                "id": (number, chance.random()),
                "who": chance.randrange(6),
                "day": chance.randrange(10),
                "version": f"1.{chance.randrange(3)}.0",
                "application.name": f"{chance.randrange(3):064}",
                "application.env": f"{chance.randrange(3):064}",
                "runtime": f"{chance.randrange(3)}.0",
            }
            for number in range(chance.randrange(1, 30))
        ]
        rows += chance.sample(sent, min(len(sent), 5))
        sent += rows
        made = events(*rows)
        store.load([made], {})
        for at in range(len(made)):
            fields = sorted(made.rows_of_fields()[at].items())
            key = made.timestamp[at], made.ids()[at]
            row = made.installations()[at], made.version[at], made.command[at], fields
            expected.setdefault(key, row)
        if chance.random() < 0.2:
            gone = hashed(chance.randrange(6))
            store.erase(TOOL, gone)
            expected = {key: row for key, row in expected.items() if row[0] != gone}
        if chance.random() < 0.1:
            before = (DAY + chance.randrange(5)) * DAY_MS
            store.retain(TOOL, before)
            expected = {key: row for key, row in expected.items() if key[0] >= before}

        assert stored(store) == sorted((*key, *row) for key, row in expected.items())
        assert store.check() == []
