import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.simulation.survival import reached, steps

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # a library of its own, checked against, not shipped
    from lifelines import KaplanMeierFitter

# weeks in remission under 6-MP: Freireich et al. (1963), the example of many a textbook
FREIREICH = [(6, 1)] * 3 + [(6, 0), (7, 1), (9, 0), (10, 1), (10, 0), (11, 0), (13, 1), (16, 1)]
FREIREICH += [
    (17, 0),
    (19, 0),
    (20, 0),
    (22, 1),
    (23, 1),
    (25, 0),
    (32, 0),
    (32, 0),
    (34, 0),
    (35, 0),
]


def test_a_published_example():
    curve = steps([(time, bool(happened)) for time, happened in FREIREICH])

    assert [step.time for step in curve] == [6, 7, 10, 13, 16, 22, 23]
    assert [round(step.share, 3) for step in curve] == [
        0.857,
        0.807,
        0.753,
        0.69,
        0.627,
        0.538,
        0.448,
    ]
    assert reached([(step.time, step.share) for step in curve], 0.5) == 23


observations = st.lists(st.tuples(st.integers(0, 30).map(float), st.booleans()), min_size=1)


@given(observations)
def test_it_agrees_with_lifelines(found):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitter = KaplanMeierFitter().fit([time for time, _ in found], [gone for _, gone in found])
    shares = fitter.survival_function_["KM_estimate"]
    bands = fitter.confidence_interval_survival_function_
    for step in steps(found):
        assert step.share == pytest.approx(shares[step.time], abs=1e-12)
        if step.share:
            low, high = bands.loc[step.time]
            assert step.low == pytest.approx(low)
            assert step.high == pytest.approx(high)


def test_a_curve_that_never_comes_down_reaches_nothing():
    assert reached([(1.0, 0.9), (2.0, 0.6)], 0.5) is None
    assert steps([(1.0, False), (3.0, False)]) == []
