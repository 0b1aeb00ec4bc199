"""A question sees installations that the contract in force lets take part, whatever is stored."""

from __future__ import annotations

from typing import Any

import pytest

from askfirst import questions
from askfirst.contract.model import Contract
from askfirst.contract.sampling import takes_part
from askfirst.questions.calendar import day_of
from tests.stores.making import DAY, TOOL, contract, events, hashed

PEOPLE = [f"who {number}" for number in range(200)]


def sampled(sample: float, tool: str = TOOL) -> Contract:
    data: Any = contract(tool).as_dict()
    data["tool"]["sample"] = sample
    return Contract.from_dict(data)


def within(sample: float) -> int:
    return sum(takes_part(sample, hashed(who).hex()) for who in PEOPLE)


@pytest.fixture
def full(store: Any) -> Any:
    """A store that took everybody's events, of two tools."""
    for tool in (TOOL, "nimbus"):
        store.load([events(*({"who": who, "id": who} for who in PEOPLE), tool=tool)], {})
    return store


def seen(store: Any, tool: str = TOOL) -> int:
    found = questions.ask(store, "active", tool, day_of(DAY), correct=False)["monthly"]
    assert isinstance(found, int)
    return found


def test_a_smaller_sample_leaves_out_who_was_stored_before(full: Any) -> None:
    for sample in (1.0, 0.5, 0.1, 0.4):
        full.declare(sampled(sample))
        assert seen(full) == within(sample)
    assert 0 < within(0.1) < within(0.4) < 200
    assert full.count(TOOL) == 200  # nothing is forgotten: a larger sample brings them back


def test_it_does_so_in_every_question(full: Any) -> None:
    full.declare(sampled(0.3))
    day, correct = day_of(DAY), {"correct": False}
    some = within(0.3)
    commands = questions.ask(full, "commands", TOOL, day, **correct)["commands"]
    assert [row["installations"] for row in commands] == [some, 0]
    [cohort] = questions.ask(full, "retention", TOOL, day, **correct)["cohorts"]
    assert cohort["size"] == some
    assert full.query("versions", {"tool": TOOL, "as_of": DAY})


def test_another_tool_has_a_sample_of_its_own(full: Any) -> None:
    full.declare(sampled(0.3))
    full.declare(sampled(1.0, "nimbus"))
    assert (seen(full), seen(full, "nimbus")) == (within(0.3), 200)


def test_a_purpose_with_the_same_letters_is_no_sample(full: Any) -> None:
    data: Any = contract().as_dict()
    data["tool"]["title"] = 'a "sample":'
    full.declare(Contract.from_dict(data))
    assert seen(full) == 200


def test_nothing_remains_of_it_for_whoever_reads_everything(full: Any) -> None:
    full.declare(sampled(0.3))
    assert seen(full) == within(0.3)
    assert sum(len(part) for part in full.events(TOOL)) == 200
    assert full.check() == []
