"""The product-limit estimate, with confidence bands.

E. L. Kaplan and P. Meier, "Nonparametric estimation from incomplete observations", Journal of the
American Statistical Association 53 (1958). Variance by Greenwood's formula, the band on the
log(-log) scale: J. D. Kalbfleisch and R. L. Prentice, "The Statistical Analysis of Failure Time
Data" (1980), section 1.3. The interval of a quantile by inverting the band: R. Brookmeyer and
J. Crowley, "A confidence interval for the median survival time", Biometrics 38 (1982).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
NORMAL_975 = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution


@dataclass(frozen=True, slots=True)
class Curve:
    """S(t), the share that has had no event by time t, at each time of an event or a censoring.

    `low` and `high` bound it pointwise with 95 % confidence. Before the first time S is 1.
    """

    time: Floats
    survival: Floats
    low: Floats
    high: Floats

    def quantile(self, share: float) -> float | None:
        """Return the first time by which `share` have had the event; None if there is none."""
        return _first(self.time, self.survival, 1 - share)

    def interval(self, share: float) -> tuple[float | None, float | None]:
        """Return the 95 % interval of `quantile(share)`; None where a band never gets there."""
        return _first(self.time, self.low, 1 - share), _first(self.time, self.high, 1 - share)

    def thinned(self, most: int) -> npt.NDArray[np.int64]:
        """Choose at most `most` points that lie evenly in what the curve does.

        Every point is at a change of the curve, so an even choice among them is dense where
        much happens. The first and the last are always among them.
        """
        counts = np.diff(self.survival, prepend=1.0) != 0
        counts[:1] = counts[-1:] = True
        points: npt.NDArray[np.int64] = np.flatnonzero(counts)
        if len(points) <= most:
            return points
        even = np.linspace(0, len(points) - 1, most).round().astype(np.int64)
        chosen: npt.NDArray[np.int64] = points[np.unique(even)]
        return chosen


def estimate(duration: Floats, observed: npt.NDArray[np.bool_]) -> Curve:
    """Estimate the curve from durations, in any unit; one not `observed` is censored at its end.

    An event and a censoring at the same time: the event comes first, as is customary.
    """
    time, index = np.unique(duration, return_inverse=True)
    events = np.bincount(index, weights=observed, minlength=len(time))
    leaving = np.bincount(index, minlength=len(time))
    at_risk = len(duration) - np.concatenate([[0], np.cumsum(leaving)[:-1]])[: len(time)]
    staying = at_risk - events
    survival = np.cumprod(staying / at_risk)
    with np.errstate(
        divide="ignore"
    ):  # the last one at risk has the event: S is 0, its variance void
        greenwood = np.cumsum(events / (at_risk * staying))
    low, high = _band(survival, greenwood)
    return Curve(time, survival, low, high)


def _band(survival: Floats, greenwood: Floats) -> tuple[Floats, Floats]:
    """Return S ** exp(±z·√V / log S), which stays within 0 and 1; S itself where S is 0 or 1."""
    low, high = survival.copy(), survival.copy()
    inside = (survival > 0) & (survival < 1)
    log = np.log(survival[inside])
    width = NORMAL_975 * np.sqrt(greenwood[inside]) / -log
    low[inside] = np.exp(log * np.exp(width))
    high[inside] = np.exp(log * np.exp(-width))
    return low, high


def _first(time: Floats, values: Floats, threshold: float) -> float | None:
    # a product of many fractions may miss a round threshold by its last bits
    reached = np.flatnonzero(values <= threshold + 1e-12)
    return float(time[reached[0]]) if len(reached) else None
