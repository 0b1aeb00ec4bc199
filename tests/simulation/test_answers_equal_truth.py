"""Ask every question of a real store, and hold the answers against the truth.

Events arrive out of order, some weeks late, and some twice.
"""

from datetime import date, timedelta

import pytest

from askfirst import questions
from askfirst.simulation import arrivals, compare, fill, truth
from askfirst.stores.opening import open_store

MANY = [pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 20)]


def differences(population, place, as_of=None):
    """Fill a store with a population, and return where its answers are not true."""
    true = truth(population, as_of)
    if as_of is not None:
        del true["quality"]  # counts by day of arrival, not by the day of the event
    store = open_store(place)
    try:
        fill(store, population, arrivals(population))
        day = as_of or population.end
        answers = {name: questions.ask(store, name, "stratus", day) for name in true}
    finally:
        store.close()
    return compare(answers, true)


@pytest.mark.parametrize("seed", [1, 2, *MANY])
def test_answers_equal_the_truth(make, tmp_path, seed):
    population = make(installations=150, days=200, seed=seed, late_share=0.1, duplicate_share=0.05)

    assert differences(population, tmp_path / "store") == []


def test_answers_equal_the_truth_over_more_than_400_days(make, long, tmp_path):
    """A series has 400 rows at the most."""
    population = make(contract=long, installations=25, days=450, seed=5)

    assert differences(population, tmp_path / "store") == []


@pytest.mark.parametrize("seed", [6, *MANY])
def test_answers_equal_the_truth_with_releases_that_no_contract_declares(
    make, bare, tmp_path, seed
):
    """Without fields there are no applications either."""
    population = make(contract=bare, installations=150, days=120, seed=seed)

    assert differences(population, tmp_path / "store") == []


@pytest.mark.parametrize("seed", [7, *MANY])
def test_answers_about_an_earlier_day_equal_the_truth_of_that_day(make, tmp_path, seed):
    population = make(installations=100, days=150, seed=seed)
    as_of = population.end - timedelta(days=20 + seed)

    assert differences(population, tmp_path / "store", as_of) == []


@pytest.mark.parametrize("installations", [1, 2, 3, 5])
def test_answers_about_very_few_equal_the_truth(make, tmp_path, installations):
    population = make(installations=installations, days=60, seed=8)

    assert differences(population, tmp_path / "store") == []


def test_answers_before_anybody_was_seen_equal_the_truth(make, tmp_path):
    population = make(installations=5, days=1)

    assert differences(population, tmp_path / "store", date(2026, 6, 1)) == []
