"""Against scipy, against published numbers, and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from askfirst.questions import intervals

DISTRIBUTIONS = st.dictionaries(
    st.integers(1, 40).map(str), st.integers(1, 50), min_size=1, max_size=12
)


def values_of(distribution):
    return np.repeat([int(n) for n in distribution], list(distribution.values()))


@given(st.integers(0, 2000), st.integers(1, 2000))
def test_a_share_has_the_interval_of_scipy(part, whole):
    part = min(part, whole)
    low, high = intervals.share(part, whole)

    theirs = stats.binomtest(part, whole).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert 0 <= low <= part / whole <= high <= 1


def test_a_share_as_newcombe_published_it():
    """R. G. Newcombe, Statistics in Medicine 17 (1998), table I: 81/263 and 15/148."""
    assert intervals.share(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert intervals.share(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert intervals.share(0, 20)[0] == 0
    assert intervals.share(0, 0) is None


@given(DISTRIBUTIONS)
def test_a_mean_has_the_interval_of_its_standard_error(distribution):
    values = values_of(distribution)
    found = intervals.mean(distribution)

    if len(values) < 20:
        assert found is None
        return
    half = stats.norm.ppf(0.975) * stats.sem(values)
    assert found == pytest.approx((max(1, values.mean() - half), values.mean() + half))


@given(DISTRIBUTIONS)
def test_a_median_has_the_interval_of_order_statistics(distribution):
    values = np.sort(values_of(distribution))
    found = intervals.median(distribution)

    # the largest k with P(Binomial(n, 1/2) < k) <= 2.5 %
    below = [
        k for k in range(len(values) // 2 + 1) if stats.binom.cdf(k - 1, len(values), 0.5) <= 0.025
    ]
    rank = below[-1]
    assert found == ((values[rank - 1], values[-rank]) if rank else None)
    if found is not None:
        assert found[0] <= np.median(values) <= found[1]


def test_few_have_no_interval():
    assert intervals.mean({"1": 1, "100": 1}) is None
    assert intervals.mean({"1": 18, "100": 1}) is None
    assert intervals.median({"1": 5}) is None
    assert intervals.median({"1": 3, "2": 3}) == (1, 2)


def test_nobody_has_less_than_one():
    low, high = intervals.mean({"1": 19, "100": 1})
    assert low == 1
    assert high > 5.95


@pytest.mark.parametrize("size", [6, 7, 20, 399, 400, 401, 5_000, 123_457, 10_000_000])
def test_the_ranks_of_few_and_many_are_those_of_scipy(size):
    half = int(stats.binom.ppf(0.025, size, 0.5))  # the first with P(Binomial <= half) >= 2.5 %
    few, many = (
        intervals.median({"1": half, "2": size - half}),
        intervals.median({"1": half - 1, "2": size - half + 1}),
    )
    assert (few[0], many[0]) == (1, 2)


def test_a_large_distribution_is_no_problem():
    assert intervals.median({"1": 6_000_000, "2": 4_000_000}) == (1, 1)


@pytest.mark.slow
def test_the_interval_of_a_mean_contains_the_true_one_in_93_to_97_of_100():
    """Over 2,000 populations that build applications as the simulated ones do."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(2000):
        drawn, counts = np.unique(rng.geometric(0.5, 150), return_counts=True)
        low, high = intervals.mean({str(n): int(c) for n, c in zip(drawn, counts, strict=True)})
        hits += low <= 2 <= high
    assert 0.93 <= hits / 2000 <= 0.97
