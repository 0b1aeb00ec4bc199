"""An answer is remembered until anything it came from has changed, whoever changed it."""

from __future__ import annotations

import numpy as np
import pytest

from askfirst.stores.base import DAY_MS
from askfirst.stores.clickhouse.remembering import LARGE, MOST, Memory
from askfirst.stores.clickhouse.store import ClickHouseStore
from tests.collector.serving import wait_until
from tests.stores.making import DAY, TOOL, contract, events, hashed
from tests.stores.test_sampling import sampled

ASKED = {"tool": TOOL, "as_of": DAY + 27}


@pytest.fixture
def second(url, store):
    """The same store, open for another collector."""
    opened = ClickHouseStore(url, collector="second")
    yield opened
    opened.close()


def asked_again(store, monkeypatch):
    """Return the monthly active installations, and whether the server was asked for them."""
    texts = []
    inner = store._ask

    def noticing(text, parameters):
        texts.append(text)
        return inner(text, parameters)

    with monkeypatch.context() as patched:
        patched.setattr(store, "_ask", noticing)
        [row] = store.query("activity", ASKED)
    return row[2], any("countIf" in text for text in texts)


def stop_merges(url, clickhouse):
    """Keep parts as they are: a merge makes answers forgotten, whenever the server likes one."""
    database = url.rpartition("/")[2]
    clickhouse.ask(f"SYSTEM STOP MERGES {database}.events")
    running = f"SELECT count() FROM system.merges WHERE database = '{database}'"
    wait_until(lambda: clickhouse.ask(running) == "0", 120)


def test_an_answer_is_remembered_until_another_collector_loads_or_erases(
    store, second, url, clickhouse, monkeypatch
):
    stop_merges(url, clickhouse)
    store.load([events({"who": "ann"}, {"who": "bob"})], {})
    assert asked_again(store, monkeypatch) == (2, True)
    assert asked_again(store, monkeypatch) == (2, False)

    second.load([events({"who": "eve", "day": 3})], {})
    assert asked_again(store, monkeypatch) == (3, True)
    assert asked_again(store, monkeypatch) == (3, False)

    clickhouse.ask(f"SYSTEM START MERGES {url.rpartition('/')[2]}.events")  # an erasure is one
    second.erase(TOOL, hashed("ann"))
    assert asked_again(store, monkeypatch) == (2, True)

    second.retain(TOOL, (DAY + 1) * DAY_MS)
    stop_merges(url, clickhouse)
    assert asked_again(store, monkeypatch) == (1, True)
    assert asked_again(store, monkeypatch) == (1, False)


def test_another_sample_or_day_is_another_question(store):
    store.load([events(*({"who": who, "id": who} for who in range(200)))], {})
    store.declare(contract())
    [all_of_them] = store.query("activity", ASKED)
    [before] = store.query("activity", {**ASKED, "as_of": DAY - 1})
    assert (all_of_them[2], before[2]) == (200, 0)

    store.declare(sampled(0.5))

    [some] = store.query("activity", ASKED)
    assert 50 < some[2] < 150


def test_what_changed_while_it_was_asked_for_is_not_kept_for_what_there_is_then():
    memory = Memory()

    def while_others_load():
        assert memory.ask("after", "activity", 1, lambda: [("new",)]) == [("new",)]
        return [("old",)]

    assert memory.ask("before", "activity", 1, while_others_load) == [("old",)]
    assert memory.ask("after", "activity", 1, lambda: 1 / 0) == [("new",)]


def test_few_answers_are_kept_and_one_of_the_large_ones():
    memory, asked = Memory(), []

    def ask(name, number):
        return memory.ask("same", name, number, lambda: asked.append((name, number)) or [])

    for number in range(MOST + 5):
        ask("activity", number)
    ask("activity", MOST + 4)
    ask("activity", 5)
    assert len(asked) == MOST + 5
    ask("activity", 4)
    assert asked[-1] == ("activity", 4)
    ask(LARGE, 1)
    ask(LARGE, 2)
    ask(LARGE, 2)
    ask(LARGE, 1)
    assert asked[-3:] == [(LARGE, 1), (LARGE, 2), (LARGE, 1)]


def test_durations_take_little_memory(store):
    store.load([events({"version": "1.0.0"}, {"version": "1.1.0", "day": 3})], {})
    releases = {
        "versions": ["1.0.0", "1.1.0"],
        "ranks": [0, 1],
        "instants": [0, (DAY + 1) * DAY_MS],
    }
    rows = store.query("updates", {**ASKED, **releases})
    assert [type(found) for row in rows for found in row[1:]] == [np.ndarray] * 2
