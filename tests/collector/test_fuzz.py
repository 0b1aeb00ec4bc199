"""Hostile requests: those that are kept, and some that nobody has seen yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collector import bodies, fuzz


def test_every_kept_request_comes_to_what_it_came_to() -> None:
    wrong = [
        row["why"]
        for row in bodies.read_corpus()
        if bodies.summary(bodies.check(row["route"], row["body"])) != row["outcome"]
    ]
    assert wrong == []


def test_the_corpus_has_something_of_every_kind() -> None:
    rows = [(row["route"], row["outcome"]) for row in bodies.read_corpus()]
    assert len(rows) > 400
    assert {outcome["status"] for _, outcome in rows} == {200, 400, 404, 422}
    taken = [outcome for _, outcome in rows if outcome["status"] == 200]
    assert {reason for outcome in taken for _, reason in outcome["dropped"]} == {
        reason.value for reason in bodies.DropReason
    }
    assert {route for route, _ in rows} == {"events", "command"}


@pytest.mark.parametrize("seed", [1, 2])
def test_fresh_mutations_are_refused_or_dropped_and_never_fail(seed: int) -> None:
    statuses = fuzz.run(3_000, seed)
    assert sum(statuses.values()) == 3_000
    assert statuses["200"] > 500


@pytest.mark.slow
def test_many_fresh_mutations() -> None:
    assert sum(fuzz.run(20_000, 3).values()) == 20_000


def test_a_request_of_a_new_kind_can_be_kept(tmp_path: Path) -> None:
    first = tmp_path / "first.ndjson"
    first.write_text(bodies.CORPUS.read_text("utf-8").splitlines(keepends=True)[0])
    fuzz.run(500, 1, corpus=first, grow=True)
    rows = list(bodies.read_corpus(first))
    assert len(rows) > 10
    for row in rows:
        assert bodies.summary(bodies.check(row["route"], row["body"])) == row["outcome"]
