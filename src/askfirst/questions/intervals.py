"""95 % confidence intervals of figures that are not Kaplan–Meier's.

They say what chance alone would do if those who said Yes were drawn at random from all users. They
are not; by how much a figure differs for those who said No, no interval can tell.

Counts that were estimated from a `sample` are taken for what they are: as many as were seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from askfirst.questions.kaplan_meier import NORMAL_975
from askfirst.questions.sampling import observed

Interval = tuple[float, float]

FEWEST = 20  # that have a mean with an interval: below, one of them can be most of the variance
FAR = 20  # standard deviations from the middle: the chance of what lies beyond is below 1e-80


def share(part: int, whole: int, sample: float = 1.0) -> Interval | None:
    """Return Wilson's score interval of part / whole; None if there is nobody.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927). It stays within 0 and 1 and holds for few.
    """
    part, whole = observed(part, sample), observed(whole, sample)
    if not whole:
        return None
    p, z2 = part / whole, NORMAL_975**2
    centre = p + z2 / (2 * whole)
    half = NORMAL_975 * math.sqrt(p * (1 - p) / whole + z2 / (4 * whole**2))
    scale = 1 + z2 / whole
    # the ends are 0 and 1 exactly where nobody or everybody is in it; rounding would miss them
    low = (centre - half) / scale if part else 0.0
    high = (centre + half) / scale if part < whole else 1.0
    return low, high


def mean(distribution: Mapping[str, int], sample: float = 1.0) -> Interval | None:
    """Return the interval of the mean of "how many have how many"; None for fewer than FEWEST.

    The normal approximation with the sample's own variance; fair from some dozens on. It does not
    go below 1: who has none is not among them.
    """
    values, counts = _columns(distribution, sample)
    total = int(counts.sum())
    if total < FEWEST:
        return None
    centre = float((values * counts).sum() / total)
    variance = float((counts * (values - centre) ** 2).sum() / (total - 1))
    half = NORMAL_975 * math.sqrt(variance / total)
    return max(1.0, centre - half), centre + half


def median(distribution: Mapping[str, int], sample: float = 1.0) -> tuple[int, int] | None:
    """Return the interval of the median from order statistics; None for fewer than six.

    With n values the interval from the k-th smallest to the k-th largest misses the median with
    twice the binomial chance of fewer than k in n at one half; k is the largest for which that is
    at most 5 %. H. A. David and H. N. Nagaraja, "Order Statistics" (2003), section 7.1.
    """
    values, counts = _columns(distribution, sample)
    rank = _rank(int(counts.sum()))
    if rank == 0:
        return None
    upward = np.searchsorted(np.cumsum(counts), rank)
    downward = np.searchsorted(np.cumsum(counts[::-1]), rank)
    return int(values[upward]), int(values[::-1][downward])


def _columns(distribution: Mapping[str, int], sample: float) -> tuple[np.ndarray, np.ndarray]:
    pairs = sorted((int(number), observed(n, sample)) for number, n in distribution.items())
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _rank(size: int) -> int:
    """Return the largest k with P(Binomial(size, 1/2) < k) <= 2.5 %; 0 if there is none.

    Exact but for rounding: sums the chances from FAR below the middle up to it, so a million values
    take some ten thousand terms.
    """
    first = max(0, math.ceil(size / 2 - FAR * math.sqrt(size) / 2))
    # by logarithms: 2 ** -size may be 0
    ways = math.lgamma(size + 1) - math.lgamma(first + 1) - math.lgamma(size - first + 1)
    after = np.arange(first + 1, size // 2 + 1, dtype=np.float64)
    steps = np.log((size - after + 1) / after)
    chances = np.exp(ways - size * math.log(2) + np.concatenate([[0.0], np.cumsum(steps)]))
    below = np.cumsum(chances)  # P(Binomial <= first), P(Binomial <= first + 1), …
    count = int(np.searchsorted(below, 0.025, side="right"))
    return first + count if count else 0
