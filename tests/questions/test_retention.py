import warnings

import pytest

from askfirst.questions.retention import pooled
from tests.stores.making import DAY


def test_hand_computed_cohorts(world):
    """Day 0 is a Friday, so day 3 begins the next ISO week."""
    world.add(
        *({"who": "ann", "day": day} for day in (0, 2, 10, 31)),
        {"who": "bob", "day": 2},
        *({"who": "eve", "day": day} for day in (3, 9, 17)),
    )

    answer = world.ask("retention", 23)

    assert DAY % 7 == 1
    assert answer == {
        "cohorts": [
            {"week": "2024-W40", "size": 2, "active": [2, 0, 1, 0]},
            {"week": "2024-W41", "size": 1, "active": [1, 0, 1]},
        ]
    }


def test_a_year_changes_its_number_with_its_iso_week(world):
    world.add({"who": "ann", "day": 87}, {"who": "bob", "day": 88})  # 2024-12-30 is W01 of 2025

    weeks = [cohort["week"] for cohort in world.ask("retention", 90)["cohorts"]]

    assert weeks == ["2025-W01"]


def test_the_share_still_coming_is_what_lifelines_estimates(world):
    """For installations that come every week until they stop, retention is their survival curve."""
    lives = {"a": 1, "b": 2, "c": 2, "d": 4, "e": 6}
    world.add(
        *({"who": who, "day": 3 + 7 * week} for who, life in lives.items() for week in range(life))
    )

    [cohort] = world.ask("retention", 3 + 7 * 6)["cohorts"]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning))
        from lifelines import KaplanMeierFitter

        fitter = KaplanMeierFitter().fit(list(lives.values()), [True] * len(lives))
    shares = fitter.predict(list(range(7))).tolist()
    assert cohort["active"] == [round(share * len(lives)) for share in shares]


def test_all_cohorts_together_leave_out_the_week_that_may_not_be_over():
    cohorts = [
        {"week": "2026-W40", "size": 10, "active": [10, 8, 6, 1]},
        {"week": "2026-W42", "size": 20, "active": [20, 5]},
        {"week": "2026-W43", "size": 99, "active": [99]},
    ]

    assert pooled(cohorts) == [(30, 30), (8, 10), (6, 10)]
    assert pooled([]) == []


def test_all_cohorts_together_are_the_survival_curve_of_lifelines(world):
    """They come every week until they stop, and the last cohorts are not seen to the end."""
    lives = {"a": (0, 1), "b": (0, 4), "c": (1, 2), "d": (1, 9), "e": (2, 9), "f": (3, 3)}
    last = 5
    world.add(
        *(
            {"who": who, "day": 3 + 7 * week}
            for who, (first, life) in lives.items()
            for week in range(first, min(first + life, last + 1))
        )
    )

    rows = pooled(world.ask("retention", 3 + 7 * last)["cohorts"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (DeprecationWarning, FutureWarning))
        from lifelines import KaplanMeierFitter

        # a cohort counts for as long as its weeks are over; who is still there then is censored
        for after, (active, size) in enumerate(rows):
            seen = [life for first, life in lives.values() if first + after < last]
            fitter = KaplanMeierFitter().fit(seen, [True] * len(seen))
            assert size == len(seen)
            assert active / size == pytest.approx(fitter.predict(after))
