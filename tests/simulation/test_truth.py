"""A population so small that its answers can be worked out by hand."""

from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from askfirst.simulation import truth
from askfirst.simulation.habits import DAY_MS, instant

FIRST = date(2026, 10, 1)  # a Thursday; 1.4.0 is released on it


@pytest.fixture
def population(contract, make):
    """Return a population of events (day, hour, installation, version, command, app, env)."""

    def population(*events, days=40):
        dtype = make().dtype
        versions = ("1.3.0", "1.4.0", "1.9.0", "1.10.0")

        def rows(day):
            today = [event for event in events if event[0] == day]
            found = np.full(len(today), -1, dtype=np.int32).astype(np.int64)
            out = np.zeros(len(today), dtype=dtype)
            out["again"] = found
            for at, (on, hour, who, version, command, application, environment) in enumerate(today):
                row = out[at : at + 1]
                row["timestamp"] = instant(FIRST) + on * DAY_MS + int(hour * 3_600_000)
                row["installation"] = who
                row["version"] = versions.index(version)
                row["command"] = contract.commands.index(command)
                row["application.name"] = application
                row["application.env"] = environment
            return out

        return SimpleNamespace(
            contract=contract,
            installations=4,
            days=days,
            first=FIRST,
            end=FIRST + timedelta(days=days - 1),
            versions=versions,
            rows=rows,
        )

    return population


def event(day, who, *, hour=12, version="1.3.0", command="start", app=-1, env=-1):
    return (day, hour, who, version, command, app, env)


def test_active(population):
    events = [event(day, 0) for day in (2, 36, 37, 38, 39)]  # regular and returning
    events += [event(39, 1), event(39, 1)]  # new
    events += [event(11, 2)]  # one day before the trailing 28: lost
    events += [event(12, 3)]  # on the first of them: new
    found = truth(population(*events))["active"]

    assert {key: value for key, value in found.items() if key != "series"} == {
        "as_of": "2026-11-09",
        "daily": 2,
        "weekly": 2,
        "monthly": 3,
        "regular": 1,
        "new": 2,
        "returning": 1,
        "lost": 1,
    }
    assert found["series"][0] == {"day": "2026-10-03", "daily": 1, "weekly": 1, "monthly": 1}
    assert found["series"][-2] == {"day": "2026-11-08", "daily": 1, "weekly": 1, "monthly": 3}
    assert len(found["series"]) == 38


def test_only_days_up_to_as_of_count(population):
    people = population(event(2, 0), event(5, 1, app=1), event(6, 2))
    found = truth(people, FIRST + timedelta(days=5))

    assert found["active"]["monthly"] == 2
    assert found["quality"]["stored"] == 2
    assert found["applications"]["installations"] == 1
    assert truth(people, FIRST - timedelta(days=1))["active"]["series"] == []


def test_as_of_may_lie_past_the_last_day(population):
    found = truth(population(event(39, 0)), FIRST + timedelta(days=45))["active"]

    assert (found["daily"], found["weekly"], found["monthly"]) == (0, 1, 1)


def test_applications(population):
    events = [event(20, 0, app=1), event(20, 0, app=2), event(21, 0, app=2)]  # side by side
    events += [event(20, 1, app=1), event(21, 1, app=2), event(22, 1, app=3)]  # in turn
    events += [event(20, 2, app=1), event(3, 2, app=9)]  # the second too long ago
    events += [event(20, 3)]  # none
    assert truth(population(*events))["applications"] == {
        "installations": 3,
        "mean": 2.0,
        "median": 2.0,
        "p90": pytest.approx(2.8),
        "distribution": {"1": 1, "2": 1, "3": 1},
        "side_by_side": 1,
    }


def test_environments(population):
    events = [event(20, 0, app=1, env=1), event(20, 0, app=1, env=2), event(21, 0, app=2, env=1)]
    events += [event(20, 1, app=3), event(20, 1, env=4)]  # each lacks the other
    found = truth(population(*events))["environments"]

    assert found["per_application"] == {
        "mean": 1.5,
        "median": 1.5,
        "p90": pytest.approx(1.9),
        "distribution": {"1": 1, "2": 1},
    }
    assert found["per_installation"]["distribution"] == {"1": 1, "2": 1}


def test_commands(population):
    events = [event(day, 0) for day in (36, 37, 38, 39)]
    events += [event(39, 0, version="1.4.0"), event(39, 1), event(39, 1, command="stop")]
    start, stop, *unused = truth(population(*events))["commands"]["commands"]

    assert start == {
        "command": "start",
        "events": 6,
        "installations": 2,
        "regular": 1,
        "version": {
            "1.3.0": {"events": 5, "installations": 2},
            "1.4.0": {"events": 1, "installations": 1},
        },
    }
    assert (stop["command"], stop["installations"], stop["regular"]) == ("stop", 1, 0)
    assert [row["events"] for row in unused] == [0, 0, 0]


def test_retention(population):
    events = [event(0, 0), event(4, 0), event(11, 0), event(4, 1), event(18, 1)]
    assert truth(population(*events, days=19))["retention"]["cohorts"] == [
        {"week": "2026-W40", "size": 1, "active": [1, 1, 1, 0]},
        {"week": "2026-W41", "size": 1, "active": [1, 0, 1]},
    ]


def update(found, version):
    return next(row for row in found["updates"]["versions"] if row["version"] == version)


def test_updates_of_an_undeclared_version_count_from_its_first_sight(population):
    events = [event(1, who) for who in range(4)]
    events += [event(10, 0, version="1.9.0")]  # the first sight, itself an update after 0 days
    events += [event(12, 1, version="1.10.0")]  # higher counts as well
    events += [event(14, 2)]  # has not: censored after 4 days; 3 was last seen before
    row = update(truth(population(*events)), "1.9.0")

    assert (row["released"], row["at_risk"], row["updated"]) == ("2026-10-11T12:00:00.000Z", 3, 2)
    assert (row["q25_days"], row["median_days"], row["q75_days"]) == (0.0, 2.0, None)


def test_updates_of_a_declared_version_count_from_its_day(population, contract):
    before = date.fromisoformat(contract.releases["1.4.0"]) - timedelta(days=1)
    assert before == FIRST - timedelta(days=1)
    events = [event(0, 0, hour=12), event(0, 0, hour=18, version="1.4.0")]
    row = update(truth(population(*events)), "1.4.0")

    assert (row["at_risk"], row["updated"]) == (0, 0)  # nobody was seen before it
    assert row["median_days"] is None


def test_who_had_the_version_before_its_release_is_left_out(population, contract):
    contract.releases["1.9.0"] = "2026-10-11"
    try:
        events = [event(1, who) for who in range(3)]
        events += [event(2, 0, version="1.9.0"), event(12, 0, version="1.9.0")]
        events += [event(10, 1, hour=0, version="1.9.0")]  # at the very moment: an update
        events += [event(11, 2, hour=6, version="1.9.0")]
        row = update(truth(population(*events)), "1.9.0")
    finally:
        del contract.releases["1.9.0"]

    assert (row["at_risk"], row["updated"]) == (2, 2)
    assert row["median_days"] == 0.0
    assert row["q75_days"] == 1.25


def test_versions_come_by_precedence_declared_ones_too(population):
    events = [event(1, 0, version=version) for version in ("1.10.0", "1.9.0", "1.3.0")]
    rows = truth(population(*events))["updates"]["versions"]

    assert [row["version"] for row in rows] == [
        *("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"),
        *("1.9.0", "1.10.0"),
    ]
