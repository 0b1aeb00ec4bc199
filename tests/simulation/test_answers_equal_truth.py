"""Ask every question of a real store, and hold the answers against the truth.

Events arrive out of order, some weeks late, and some twice.
"""

from datetime import date, timedelta

import pytest

from askfirst import questions
from askfirst.simulation import arrivals, compare, fill, truth
from askfirst.stores.opening import open_store
from tests.stores import places

# (engine, seed): the embedded store is asked about many populations, servers about some of them
MANY = [
    pytest.param(places.CLUSTER, 3, marks=pytest.mark.slow),
    *(pytest.param("duckdb", seed, marks=pytest.mark.slow) for seed in range(3, 20)),
    *(pytest.param("clickhouse", seed, marks=pytest.mark.slow) for seed in range(3, 5)),
]


def both(*seeds):
    return [(engine, seed) for seed in seeds for engine in places.ENGINES]


@pytest.fixture
def place(request, tmp_path):
    """Where a store of an engine can be; each engine in turn, unless a test says which."""
    with places.place(request.param, tmp_path, request) as where:
        yield where


each_engine = pytest.mark.parametrize("place", places.ENGINES, indirect=True)


def populations(*seeds):
    return pytest.mark.parametrize(("place", "seed"), [*both(*seeds), *MANY], indirect=["place"])


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


@populations(1, 2)
def test_answers_equal_the_truth(make, place, seed):
    population = make(installations=150, days=200, seed=seed, late_share=0.1, duplicate_share=0.05)

    assert differences(population, place) == []


@each_engine
def test_answers_equal_the_truth_over_more_than_400_days(make, long, place):
    """A series has 400 rows at the most."""
    population = make(contract=long, installations=25, days=450, seed=5)

    assert differences(population, place) == []


@populations(6)
def test_answers_equal_the_truth_with_releases_that_no_contract_declares(make, bare, place, seed):
    """Without fields there are no applications either."""
    population = make(contract=bare, installations=150, days=120, seed=seed)

    assert differences(population, place) == []


@populations(7)
def test_answers_about_an_earlier_day_equal_the_truth_of_that_day(make, place, seed):
    population = make(installations=100, days=150, seed=seed)
    as_of = population.end - timedelta(days=20 + seed)

    assert differences(population, place, as_of) == []


@each_engine
@pytest.mark.parametrize("installations", [1, 2, 3, 5])
def test_answers_about_very_few_equal_the_truth(make, place, installations):
    population = make(installations=installations, days=60, seed=8)

    assert differences(population, place) == []


@each_engine
def test_answers_before_anybody_was_seen_equal_the_truth(make, place):
    population = make(installations=5, days=1)

    assert differences(population, place, date(2026, 6, 1)) == []
