"""A sampled population, through a real collector and its store, against the truth of all of it."""

from __future__ import annotations

import datetime as dt
import math
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from askfirst import questions
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract
from askfirst.questions.sampling import observed
from askfirst.simulation import Population, arrivals, deliver, fill, truth
from askfirst.stores.base import Store
from askfirst.stores.opening import open_store
from tests.collector.serving import servers
from tests.simulation.conftest import END, TEXT

SAMPLE = 0.25
COUNTS = ("daily", "weekly", "monthly", "regular", "new", "lost")


def sampled() -> Contract:
    return parse(TEXT.replace("[tool]", f"[tool]\nsample = {SAMPLE}"))


def population(contract: Contract, **changes: Any) -> Population:
    settings = {"installations": 600, "days": 60, "seed": 11, "end": END, **changes}
    return Population(contract, **settings)


def is_plausible(estimate: int, true: int) -> bool:
    """Tell whether an estimate is within five standard errors: one in two million is not."""
    return abs(estimate - true) <= 5 * math.sqrt(max(true, 1) * (1 - SAMPLE) / SAMPLE) + 1


def hold_against_the_truth(answers: dict[str, Any], true: dict[str, Any]) -> None:
    active = answers["active"]
    assert active["estimate"]["sample"] == SAMPLE
    for key in COUNTS:
        assert is_plausible(active[key], true["active"][key]), key
    assert active["monthly"] < true["active"]["monthly"] * 2
    for row, wanted in zip(active["series"], true["active"]["series"], strict=True):
        assert is_plausible(row["monthly"], wanted["monthly"])
    commands = {row["command"]: row for row in true["commands"]["commands"]}
    for row in answers["commands"]["commands"]:
        for key in ("installations", "regular"):
            assert is_plausible(row[key], commands[row["command"]][key])
    assert abs(answers["applications"]["mean"] - true["applications"]["mean"]) < 1


@pytest.fixture
def store(tmp_path: Path) -> Any:
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def ask(store: Store, day: dt.date, **how: Any) -> dict[str, Any]:
    return {name: questions.ask(store, name, "stratus", day, **how) for name in questions.NAMES}


def test_nothing_comes_from_outside_the_sample_and_the_truth_is_of_all(store: Store) -> None:
    people = population(sampled())
    fill(store, people, arrivals(people))
    hold_against_the_truth(ask(store, people.end), truth(people))
    assert truth(people) == truth(population(parse(TEXT)))


def test_a_collector_makes_the_same_of_clients_that_know_no_sample(tmp_path: Path) -> None:
    """They deliver everything, as clients of a contract without one, or with a larger one, do."""
    file = tmp_path / "telemetry.toml"
    file.write_text(TEXT.replace("[tool]", f"[tool]\nsample = {SAMPLE}"))
    # a collector refuses what is old; whom a population has is the same on each day
    end = dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=1)
    few = {"installations": 300, "days": 40, "end": end}
    everybody = population(parse(TEXT), **few)
    with servers(tmp_path / "home", "serve", "--contract", str(file)) as serve:
        server = serve()
        delivered = deliver(server.url, everybody, arrivals(everybody))
        answers = {name: server.answer(f"{name}?as_of={end}") for name in questions.NAMES}
        today = end + dt.timedelta(days=2)  # and the next, should it be midnight now
        quality = server.answer(f"quality?as_of={today}")
    assert set(delivered.dropped) == {"outside-sample"}
    assert quality["dropped"] == dict(delivered.dropped)
    hold_against_the_truth(answers, truth(everybody))
    with closing(open_store(tmp_path / "other")) as other:
        some = population(sampled(), **few)
        fill(other, some, arrivals(some))
        seen = ask(other, some.end, correct=False)
    for key in COUNTS:
        assert observed(answers["active"][key], SAMPLE) == seen["active"][key]
    assert answers["updates"]["versions"][-1]["curve"] == seen["updates"]["versions"][-1]["curve"]
