"""Kaplan and Meier's estimate, one moment after the other.

Kaplan & Meier (1958), Nonparametric estimation from incomplete observations; the variance is
Greenwood's (1926), the band is symmetric in log(-log S) (Kalbfleisch & Prentice 1980). Written
apart from the one that answers, on purpose: two implementations that agree are evidence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

Z = NormalDist().inv_cdf(0.975)  # 95 %
SAME = 1e-9  # a share that misses a half by rounding alone has reached it


@dataclass(frozen=True, slots=True)
class Step:
    """The estimate from `time` on: the share still to come, and its 95 % band (no width at 0)."""

    time: float
    share: float
    low: float
    high: float


def steps(observations: Iterable[tuple[float, bool]]) -> list[Step]:
    """Return the steps of the curve for (time, True if it happened, False if censored)."""
    ordered = sorted(observations)
    found: list[Step] = []
    share, spread = 1.0, 0.0
    at = 0
    while at < len(ordered):
        time = ordered[at][0]
        at_risk = len(ordered) - at
        happened = 0
        while at < len(ordered) and ordered[at][0] == time:
            happened += ordered[at][1]
            at += 1
        if happened == at_risk:
            found.append(Step(time, 0.0, 0.0, 0.0))
        elif happened:
            share *= 1 - happened / at_risk
            spread += happened / (at_risk * (at_risk - happened))
            width = Z * math.sqrt(spread) / -math.log(share)
            found.append(Step(time, share, share ** math.exp(width), share ** math.exp(-width)))
    return found


def reached(curve: Iterable[tuple[float, float]], share: float) -> float | None:
    """Return the first time at which a curve has come down to `share`, or None."""
    for time, value in curve:
        if value <= share + SAME:
            return time
    return None
