"""Estimates from a sample hold the truth as often as they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst import questions
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract
from askfirst.contract.sampling import takes_part
from askfirst.questions import captions, flat, intervals, sampling, sentences
from askfirst.questions.retention import pooled
from askfirst.simulation.population import Population
from askfirst.simulation.seen import TRAILING, look
from tests.questions.conftest import the_day
from tests.simulation.conftest import END, TEXT
from tests.stores.making import TOOL, contract, hashed

RUNS = 4_000
SHARES = st.floats(0.0001, 1)


def sampled(sample: float) -> Contract:
    data: Any = contract().as_dict()
    data["tool"]["sample"] = sample
    return Contract.from_dict(data)


def covers(seen: np.ndarray, truth: int, sample: float) -> float:
    """Return in how many of the runs the interval contains the truth."""
    counts, times = np.unique(seen, return_counts=True)
    ends = [sampling.interval(int(n), sample) for n in counts]
    inside = np.array([low <= truth <= high for low, high in ends])
    return float((times * inside).sum() / times.sum())


@pytest.mark.parametrize("sample", [0.1, 0.3])
def test_the_interval_contains_the_truth_in_93_to_97_of_100(sample: float) -> None:
    """One population, of which 4,000 samples are drawn."""
    population = Population(parse(TEXT), installations=2_500, days=40, seed=3, end=END)
    seen = look(population, population.end)
    month = seen.active[-TRAILING:]
    groups = {
        "monthly": month.any(axis=0),
        "regular": month.sum(axis=0) >= 4,
        "new": month.any(axis=0) & ~seen.active[:-TRAILING].any(axis=0),
    }
    rng = np.random.default_rng(5)
    drawn = np.packbits(rng.random((RUNS, population.installations)) < sample, axis=1)
    samples = np.unpackbits(drawn, axis=1, count=population.installations)
    for name, group in groups.items():
        truth = int(group.sum())
        assert truth > 100, name
        counts = samples[:, group].sum(axis=1)
        assert abs((counts / sample).mean() - truth) < 0.01 * truth + 5, name
        assert 0.93 <= covers(counts, truth, sample) <= 0.97, name


@pytest.mark.parametrize("truth", [400, 3_000, 200_000])
@pytest.mark.parametrize("sample", [0.1, 0.5, 0.9])
def test_so_it_does_for_few_and_many(truth: int, sample: float) -> None:
    drawn = np.random.default_rng(7).binomial(truth, sample, 100_000)
    assert 0.93 <= covers(drawn, truth, sample) <= 0.97


@pytest.mark.parametrize("truth", [1, 3, 10, 30, 100])
def test_for_very_few_it_is_wide_enough(truth: int) -> None:
    drawn = np.random.default_rng(7).binomial(truth, 0.1, 100_000)
    assert covers(drawn, truth, 0.1) >= 0.93


def test_far_from_zero_the_interval_is_that_of_horvitz_and_thompson() -> None:
    low, high = sampling.interval(10_000, 0.1)
    half = 1.96 * (10_000 * 0.9) ** 0.5 / 0.1
    assert abs(low - (100_000 - half)) < 25
    assert abs(high - (100_000 + half)) < 25


def test_nobody_seen_does_not_say_nobody_is_there() -> None:
    assert sampling.interval(0, 0.1) == (0, 35)
    assert sampling.interval(0, 1.0) == (0, 0)


@given(st.integers(0, 10**7), SHARES)
def test_what_was_seen_can_be_had_back(seen: int, sample: float) -> None:
    assert sampling.observed(sampling.total(seen, sample), sample) == seen


@given(st.integers(0, 10**6), SHARES)
def test_the_estimate_lies_in_its_interval_and_that_above_what_was_seen(
    seen: int, sample: float
) -> None:
    low, high = sampling.interval(seen, sample)
    assert seen <= low <= sampling.total(seen, sample) <= high


def test_a_share_is_that_of_what_was_seen() -> None:
    one, two = sampling.total(1, 0.7), sampling.total(2, 0.7)
    assert (one, two) == (1, 3)
    assert sampling.share(one, two, 0.7) == 0.5
    assert sampling.share(0, 0, 0.7) is None
    cohorts = [{"size": two, "active": [two, one, 0]}] * 9
    assert pooled(cohorts, 0.7) == [(18, 18), (9, 18)]


class Asked:
    """A store with 60 installations of which some take part, asked with and without a sample."""

    def __init__(self, world: Any, sample: float = 0.5) -> None:
        self.sample = sample
        self.world = world
        self.people = [who for who in range(60) if takes_part(sample, hashed(f"who {who}").hex())]
        world.add(
            *(
                {
                    "who": f"who {who}",
                    "day": day,
                    "id": (who, day, part),
                    "command": "stop" if who % 3 else "start",
                    "version": "1.0.0" if day < 30 else "2.0.0",
                    "application.name": f"app {part}",
                    "application.env": f"env {part}",
                }
                for who in self.people
                for day in range(0, 40, 1 + who % 9)
                for part in range(1 + who % 3)
            )
        )
        world.store.declare(sampled(sample))

    def both(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        day = 39
        seen = questions.ask(self.world.store, name, TOOL, the_day(day), correct=False)
        return seen, self.world.ask(name, day)


@pytest.fixture
def asked(world: Any) -> Asked:
    return Asked(world)


def test_counts_are_scaled_and_have_an_interval(asked: Asked) -> None:
    seen, answer = asked.both("active")
    assert seen["monthly"] == len(asked.people)
    assert "estimate" not in seen
    for key in ("daily", "weekly", "monthly", "regular", "new", "lost"):
        assert answer[key] == 2 * seen[key]
        ends = (answer["estimate"]["low"][key], answer["estimate"]["high"][key])
        assert ends == sampling.interval(seen[key], 0.5)
    assert answer["returning"] == answer["monthly"] - answer["new"]
    assert answer["estimate"]["sample"] == 0.5
    for row, was in zip(answer["series"], seen["series"], strict=True):
        assert row == {"day": was["day"]} | {
            key: 2 * was[key] for key in ("daily", "weekly", "monthly")
        }


def test_means_medians_and_curves_are_not_scaled(asked: Asked) -> None:
    seen, answer = asked.both("applications")
    for key in ("mean", "median", "p90"):
        assert answer[key] == seen[key]
    assert answer["distribution"] == {k: 2 * n for k, n in seen["distribution"].items()}
    assert answer["installations"] == 2 * seen["installations"]
    assert answer["side_by_side"] == 2 * seen["side_by_side"]
    seen, answer = asked.both("updates")
    for row, was in zip(answer["versions"], seen["versions"], strict=True):
        counts = {"at_risk": 2 * was["at_risk"], "updated": 2 * was["updated"]}
        assert row == {**was, **counts, "estimate": row["estimate"]}
        assert row["estimate"]["low"].keys() == counts.keys()
    assert any(row["updated"] for row in seen["versions"])


def test_environments_commands_and_cohorts_are_scaled(asked: Asked) -> None:
    seen, answer = asked.both("environments")
    for key in ("per_application", "per_installation"):
        doubled = {k: 2 * n for k, n in seen[key]["distribution"].items()}
        assert answer[key] == {**seen[key], "distribution": doubled, "estimate": {"sample": 0.5}}
    seen, answer = asked.both("commands")
    for row, was in zip(answer["commands"], seen["commands"], strict=True):
        for key in ("events", "installations", "regular"):
            assert row[key] == 2 * was[key]
        for version, counts in was["version"].items():
            assert row["version"][version] == {key: 2 * n for key, n in counts.items()}
    seen, answer = asked.both("retention")
    for row, was in zip(answer["cohorts"], seen["cohorts"], strict=True):
        assert row["size"] == 2 * was["size"]
        assert row["active"] == [2 * n for n in was["active"]]


def test_what_arrived_is_counted_not_estimated(asked: Asked) -> None:
    seen, answer = asked.both("quality")
    assert answer == seen


def test_without_a_sample_there_is_no_estimate(asked: Asked) -> None:
    asked.world.store.declare(contract())
    for name in questions.NAMES:
        seen, answer = asked.both(name)
        assert answer == seen
        assert "estimate" not in str(answer)


def test_intervals_of_shares_and_means_go_by_what_was_seen(asked: Asked) -> None:
    seen, answer = asked.both("applications")
    counts = (answer["side_by_side"], answer["installations"])
    was = (seen["side_by_side"], seen["installations"])
    assert intervals.share(*counts, 0.5) == intervals.share(*was)
    assert intervals.mean(answer["distribution"], 0.5) == intervals.mean(seen["distribution"])
    assert intervals.median(answer["distribution"], 0.5) == intervals.median(seen["distribution"])


def test_the_sentences_say_how_sure_they_are(asked: Asked) -> None:
    answer = questions.overview(asked.world.store, TOOL, the_day(39))
    active, updates, applications, _ = (one.text for one in sentences.overview(answer, TOOL))
    low, high = sampling.interval(len(asked.people), 0.5)
    assert f"{2 * len(asked.people)} installations (95 % interval {low} to {high}) used" in active
    assert "; about " in updates
    assert applications.count("95 % interval") == 2
    row = asked.both("commands")[1]["commands"][0]
    assert "95 % interval" in sentences.removal(row, answer["active"]["regular"]).text


def test_a_table_has_the_interval_too(asked: Asked) -> None:
    assert "estimate.low.side_by_side," in flat.csv_text(
        "applications", asked.both("applications")[1]
    )
    for name in questions.NAMES:
        assert flat.csv_text(name, asked.both(name)[1])


def test_a_caption_says_what_an_estimate_comes_from() -> None:
    assert captions.sampled(1.0) == ""
    assert captions.sampled(0.1).startswith("Estimated from 10 % of them, drawn at random")


def test_the_rate_is_that_of_the_contract_in_force(world: Any) -> None:
    assert sampling.rate(world.store, TOOL) == 1.0
    world.store.declare(sampled(0.25))
    assert sampling.rate(world.store, TOOL) == 0.25
