"""Answers are remembered, and never older than a load that has returned."""

from __future__ import annotations

import pytest

from askfirst.stores.duckdb import answering
from askfirst.stores.opening import open_store
from tests.stores.making import DAY, TOOL, events, hashed


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def asked(store, monkeypatch):
    """Return the names of questions that were answered anew."""
    found = []
    answer = answering.answer

    def counting(cursor, memory, name, parameters):
        found.append(name)
        return answer(cursor, memory, name, parameters)

    monkeypatch.setattr(answering, "answer", counting)
    return found


def daily(store, day):
    [row] = store.query("activity", {"tool": TOOL, "as_of": DAY + day})
    return row[0]


def test_the_same_question_is_answered_once(store, asked):
    store.load([events({"who": "ann"})], {})
    assert [daily(store, 0), daily(store, 0)] == [1, 1]
    assert asked == ["activity"]


def test_a_load_of_a_later_day_leaves_the_answers_about_earlier_ones(store, asked):
    store.load([events({"who": "ann"})], {})
    daily(store, 0)
    store.load([events({"who": "bob", "day": 1})], {})
    assert [daily(store, 0), daily(store, 1)] == [1, 1]
    assert asked == ["activity", "activity"]
    store.load([events({"who": "eve", "id": "late"})], {})
    assert [daily(store, 0), daily(store, 1)] == [2, 1]


def test_bits_serve_for_days_that_nothing_was_loaded_for(store):
    store.load([events({"who": "ann"}, {"who": "ann", "day": 3})], {})
    daily(store, 3)
    kept = store._answers._kept
    store.load([events({"who": "bob", "day": 2})], {})
    assert daily(store, 1) == 0
    assert store._answers._kept.bits is kept.bits
    assert daily(store, 2) == 1
    assert store._answers._kept.bits is not kept.bits


@pytest.mark.parametrize("change", ["erase", "retain"])
def test_what_is_forgotten_is_in_no_answer(store, change):
    store.load([events({"who": "ann"}, {"who": "bob", "day": 1})], {})
    assert [daily(store, 0), daily(store, 1)] == [1, 1]
    if change == "erase":
        store.erase(TOOL, hashed("ann"))
    else:
        store.retain(TOOL, (DAY + 1) * 86_400_000)
    assert [daily(store, 0), daily(store, 1)] == [0, 1]


def test_an_answer_found_while_something_changed_is_not_remembered():
    memory = answering.Memory()
    question = {"tool": TOOL, "as_of": 3}

    def find():
        memory.forget(TOOL, 3)
        return {"activity": [(1,)]}

    assert memory.ask("activity", question, find) == [(1,)]
    assert memory.ask("activity", question, lambda: {"activity": [(2,)]}) == [(2,)]
    assert memory.ask("activity", question, lambda: {"activity": [(3,)]}) == [(2,)]


def test_few_answers_are_remembered_and_of_updates_one(monkeypatch):
    monkeypatch.setattr(answering, "MOST", 3)
    memory = answering.Memory()
    for day in range(9):
        for name in ("updates", "activity"):
            memory.ask(name, {"tool": TOOL, "as_of": day}, lambda name=name: {name: []})
    names = [key[0] for key in memory._answers]
    assert (len(names), names.count("updates")) == (3, 1)
