"""Against lifelines, and by hand."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.questions.kaplan_meier import estimate

OBSERVATIONS = st.lists(
    st.tuples(st.integers(0, 30).map(lambda n: n / 4), st.booleans()), min_size=1, max_size=60
)


def fitted(durations, observed):
    """Return lifelines' estimate: its times, S, and the log-log band of 95 %."""
    with warnings.catch_warnings():
        # its own use of pandas and numpy, on import and on ties
        warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning))
        warnings.simplefilter("ignore", RuntimeWarning)
        from lifelines import KaplanMeierFitter
        from lifelines.exceptions import StatisticalWarning

        warnings.simplefilter("ignore", StatisticalWarning)
        fitter = KaplanMeierFitter().fit(durations, observed)
    survival = fitter.survival_function_["KM_estimate"]
    band = fitter.confidence_interval_
    return survival.index.to_numpy(), survival.to_numpy(), band.to_numpy()


def curve_of(observations):
    durations = np.array([duration for duration, _ in observations])
    return estimate(durations, np.array([updated for _, updated in observations], bool))


@settings(max_examples=60, deadline=None)
@given(OBSERVATIONS)
def test_the_curve_and_its_band_are_those_of_lifelines(observations):
    curve = curve_of(observations)
    durations = [duration for duration, _ in observations]
    time, survival, band = fitted(durations, [updated for _, updated in observations])

    at = np.searchsorted(time, curve.time)  # theirs has a point at 0 always
    assert time[at] == pytest.approx(curve.time)
    assert survival[at] == pytest.approx(curve.survival)
    inside = (curve.survival > 0) & (curve.survival < 1)
    assert band[at][inside, 0] == pytest.approx(curve.low[inside])
    assert band[at][inside, 1] == pytest.approx(curve.high[inside])


@settings(max_examples=60, deadline=None)
@given(OBSERVATIONS, st.sampled_from([0.25, 0.5, 0.75]))
def test_a_quantile_is_the_first_time_at_which_the_curve_is_that_low(observations, share):
    curve = curve_of(observations)
    reached = [
        time for time, s in zip(curve.time, curve.survival, strict=True) if s <= 1 - share + 1e-9
    ]

    assert curve.quantile(share) == (reached[0] if reached else None)
    low, high = curve.interval(share)
    median = curve.quantile(share)
    if median is not None:
        assert low is not None
        assert low <= median
    if high is not None:
        assert median is not None
        assert median <= high


def test_the_textbook_case():
    """Bland & Altman's recipe on five: 2, 3+, 4, 4, 6+."""
    curve = curve_of([(2, True), (3, False), (4, True), (4, True), (6, False)])

    assert curve.time.tolist() == [2, 3, 4, 6]
    assert curve.survival == pytest.approx([4 / 5, 4 / 5, 4 / 15, 4 / 15])
    assert (curve.quantile(0.5), curve.quantile(0.75)) == (4, None)


def test_a_quarter_of_many_is_reached_in_spite_of_rounding():
    curve = curve_of([(float(time), True) for time in range(1, 1001)])

    assert (curve.quantile(0.25), curve.quantile(0.5), curve.quantile(0.75)) == (250, 500, 750)


def test_nobody_at_risk_gives_an_empty_curve():
    curve = curve_of([])

    assert curve.quantile(0.5) is None
    assert curve.interval(0.5) == (None, None)
    assert curve.thinned(10).tolist() == []


def test_thinning_keeps_the_ends_and_only_what_changes():
    curve = curve_of([(0, False), *((t, t % 2 == 0) for t in range(1, 100)), (100, False)])

    assert curve.thinned(1000).tolist() == [0, *range(2, 100, 2), 100]
    few = curve.thinned(7).tolist()
    assert len(few) == 7
    assert (few[0], few[-1]) == (0, 100)
