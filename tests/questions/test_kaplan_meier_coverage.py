"""Does the 95 % interval of the median do what it says? Over populations whose median is known."""

import math

import numpy as np
import pytest

from askfirst.questions.kaplan_meier import estimate

POPULATIONS = 2000
QUICK, SLOW, NEVER = 2.5, 40.0, 0.2  # days and a share, as the simulated populations update


def exponential(rng, size):
    return rng.exponential(10.0, size)


def heavy_tailed(rng, size):
    return 10.0 * rng.weibull(0.6, size)


def mixed(rng, size):
    """Draw from quick and slow updaters, and some who never do."""
    kind = rng.random(size)
    slow = np.where(kind < 1 - NEVER, rng.exponential(SLOW, size), np.inf)
    return np.where(kind < 0.45, rng.exponential(QUICK, size), slow)


def mixed_median():
    def waiting(days):
        return 0.45 * math.exp(-days / QUICK) + 0.35 * math.exp(-days / SLOW) + NEVER

    low, high = 0.0, 1000.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if waiting(middle) > 0.5 else (low, middle)
    return low


def coverage(draw, last_seen, median, size, populations=POPULATIONS):
    rng = np.random.default_rng(2018)
    hits = 0
    for _ in range(populations):
        update, seen = draw(rng, size), last_seen(rng, size)
        curve = estimate(np.minimum(update, seen), update <= seen)
        low, high = curve.interval(0.5)
        hits += low is not None and low <= median and (high is None or median <= high)
    return hits / populations


@pytest.mark.slow
@pytest.mark.parametrize("size", [40, 150])
@pytest.mark.parametrize(
    ("draw", "last_seen", "median"),
    [
        (exponential, lambda rng, n: rng.exponential(30.0, n), 10 * math.log(2)),
        (exponential, lambda rng, n: rng.uniform(0.0, 40.0, n), 10 * math.log(2)),
        (heavy_tailed, lambda rng, n: rng.exponential(60.0, n), 10 * math.log(2) ** (1 / 0.6)),
        (mixed, lambda rng, n: rng.uniform(20.0, 300.0, n), mixed_median()),
    ],
    ids=["lost at random", "seen until a day", "heavy tail", "quick, slow and never"],
)
def test_the_interval_of_the_median_contains_the_true_one_in_93_to_97_of_100(
    draw, last_seen, median, size
):
    assert 0.93 <= coverage(draw, last_seen, median, size) <= 0.97


def test_without_a_band_the_true_median_would_be_missed():
    """The check can fail: a median alone, as an interval of no width, is nearly always wrong."""
    rng = np.random.default_rng(1)
    medians = []
    for _ in range(100):
        curve = estimate(exponential(rng, 41), np.ones(41, bool))
        medians.append(curve.quantile(0.5))
    assert sum(m == 10 * math.log(2) for m in medians) == 0
    assert coverage(exponential, lambda _, n: np.full(n, np.inf), 10 * math.log(2), 41, 200) > 0.9
