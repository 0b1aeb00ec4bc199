import pytest

from askfirst.questions import updates
from tests.questions.conftest import day_text


def only(world, as_of, version):
    rows = {row["version"]: row for row in world.ask("updates", as_of)["versions"]}
    return rows[version]


def test_a_hand_computed_release(world):
    """Of four at risk one updates after 1.5 days, one is lost after 2.5, one updates after 4.5."""
    world.declare(**{"1.0.0": 0, "2.0.0": 10})
    world.add(
        *({"who": who, "day": 5} for who in ("a", "b", "c", "d", "gone", "had")),
        {"who": "had", "day": 9, "version": "2.0.0"},  # had it before the release
        {"who": "had", "day": 20, "version": "2.0.0"},
        {"who": "gone", "day": 9},  # not seen since
        {"who": "a", "day": 11, "version": "2.0.0"},
        {"who": "b", "day": 12},
        {"who": "c", "day": 14, "version": "2.0.0"},
        {"who": "d", "day": 16},
        {"who": "d", "day": 30, "version": "2.0.0"},  # after as_of
        {"who": "new", "day": 12, "version": "2.0.0"},
    )

    row = only(world, 20, "2.0.0")

    assert (row["released"], row["declared"]) == (day_text(10), True)
    assert (row["at_risk"], row["updated"]) == (4, 2)
    # S: 3/4 from 1.5 on, then 3/4 * 1/2 = 3/8 from 4.5 on
    assert (row["q25_days"], row["median_days"], row["q75_days"]) == (1.5, 4.5, None)
    assert [(point["days"], point["share_updated"]) for point in row["curve"]] == [
        (1.5, 0.25),
        (4.5, 0.625),
        (6.5, 0.625),
    ]


def test_an_update_to_a_later_version_counts_for_the_earlier_ones_too(world):
    world.declare(**{"1.0.0": 0, "2.0.0": 10, "3.0.0": 20})
    world.add({"day": 5}, {"day": 25, "version": "3.0.0"})

    assert only(world, 30, "2.0.0")["median_days"] == 15.5
    assert only(world, 30, "3.0.0")["median_days"] == 5.5


def test_a_version_nobody_declared_is_released_when_it_is_first_seen(world):
    world.add(
        {"who": "a", "day": 5},
        {"who": "b", "day": 5},
        {"who": "c", "day": 6, "ms": 1, "version": "1.1.0"},
        {"who": "a", "day": 7, "ms": 1, "version": "1.1.0"},
        {"who": "b", "day": 8},
    )

    row = only(world, 30, "1.1.0")

    assert (row["released"], row["declared"]) == (f"{day_text(6)}T00:00:00.001Z", False)
    assert (row["at_risk"], row["updated"], row["median_days"]) == (2, 1, 1.0)


def test_versions_stand_in_the_order_of_precedence(world):
    seen = ["10.0.0", "9.0.0", "1.0.0rc1", "1.0.0", "1.0.0.post1"]
    world.add(*({"version": version} for version in seen))
    world.declare(**{"9.5.0": 0, "11.0.0": 3})

    rows = world.ask("updates", 2)["versions"]

    assert [row["version"] for row in rows] == [
        "1.0.0rc1",
        "1.0.0",
        "1.0.0.post1",
        "9.0.0",
        "9.5.0",
        "10.0.0",
    ]


def test_an_installation_on_another_spelling_of_a_version_is_not_at_risk_of_it(world):
    world.declare(**{"1.0.0": 10})
    world.add({"day": 5, "version": "1.0"}, {"day": 15, "version": "1.0.0"})

    assert [row["at_risk"] for row in world.ask("updates", 30)["versions"]] == [0, 0]


def test_a_release_that_nobody_was_at_risk_of_has_no_figures(world):
    world.declare(**{"1.0.0": 0})

    [row] = world.ask("updates", 5)["versions"]

    assert row == {
        "version": "1.0.0",
        "released": day_text(0),
        "declared": True,
        "at_risk": 0,
        "updated": 0,
        "median_days": None,
        "q25_days": None,
        "q75_days": None,
        "low_days": None,
        "high_days": None,
        "curve": [],
    }


def test_a_long_curve_is_thinned_and_its_figures_are_not(world):
    world.declare(**{"1.0.0": 0, "2.0.0": 10})
    people = range(1001)
    world.add(
        *({"who": who, "day": 5} for who in people),
        *({"who": who, "day": 10, "ms": who * 80_000, "version": "2.0.0"} for who in people),
    )

    row = only(world, 30, "2.0.0")

    assert len(row["curve"]) == updates.MOST_POINTS
    assert row["curve"][0]["days"] == 0
    assert row["curve"][-1] == {
        "days": pytest.approx(80_000_000 / 86_400_000),
        "share_updated": 1.0,
        "low": 1.0,
        "high": 1.0,
    }
    assert row["median_days"] == pytest.approx(40_000_000 / 86_400_000)
