import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from askfirst.questions.distribution import Distribution


def named(who, day, *applications):
    return [
        {"who": who, "day": day, "ms": at, "application.name": f"{name:0>64}"}
        for at, name in enumerate(applications)
    ]


def test_a_hand_computed_month(world):
    world.add(
        *named("ann", 1, "x"),  # 28 days before as_of: no longer in
        *named("ann", 2, "a", "a", "a"),
        *named("bob", 5, "a"),
        *named("bob", 6, "b"),
        *named("eve", 7, "a", "b", "a"),
        *named("eve", 29, "c"),
        *named("eve", 30, "d"),
        {"who": "none", "day": 20},
    )

    answer = world.ask("applications", 29)

    assert answer == {
        "installations": 3,
        "mean": 2.0,
        "median": 2.0,
        "p90": 2.8,
        "distribution": {"1": 1, "2": 1, "3": 1},
        "side_by_side": 1,
    }


def test_one_name_used_by_two_installations_is_two_applications(world):
    world.add(*named("ann", 2, "a"), *named("bob", 2, "a"))

    assert world.ask("applications", 2)["distribution"] == {"1": 2}


@given(st.lists(st.integers(1, 30), min_size=1))
def test_percentiles_are_those_of_numpy_over_everyone(counts):
    found = Distribution({n: counts.count(n) for n in counts}).as_dict()

    assert found["mean"] == np.mean(counts)
    assert [found["median"], found["p90"]] == np.percentile(counts, [50, 90]).tolist()
