"""SQL against sets and loops, over small random histories that arrive out of order and twice."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.contract.version import precedence
from askfirst.stores.opening import open_store
from tests.questions.conftest import World
from tests.stores import places

VERSIONS = ("1.9.0", "1.10.0", "1.10.0rc1", "2.0")
DECLARED = {"1.10.0": 40, "3.0.0": 55}

EVENT = st.fixed_dictionaries(
    {
        "who": st.integers(0, 4),
        "day": st.integers(0, 75),
        "ms": st.sampled_from([0, 1, 43_200_000, 86_399_999]),
        "version": st.sampled_from(VERSIONS),
        "command": st.sampled_from(["start", "stop"]),
    },
    optional={
        "application.name": st.sampled_from(["a" * 64, "b" * 64, "c" * 64]),
        "application.env": st.sampled_from(["a" * 64, "e" * 64]),
    },
)
HISTORIES = st.lists(EVENT, max_size=60).flatmap(
    lambda rows: st.tuples(
        st.just(rows), st.permutations(range(len(rows))), st.integers(15, 60), st.integers(0, 80)
    )
)


@pytest.fixture(scope="module", params=places.ENGINES)
def worlds(request, tmp_path_factory):
    """Yield worlds that know nothing of each other; to open a store for each takes too long."""
    with places.place(request.param, tmp_path_factory.mktemp("naive"), request) as where:
        store = open_store(where)
        yield (World(store, f"tool{number}") for number in itertools.count())
        store.close()


@settings(max_examples=50, deadline=None)
@given(history=HISTORIES)
def test_answers_equal_naive_ones(worlds, history):
    rows, order, size, as_of = history
    world = next(worlds)
    world.declare(**DECLARED)
    arrivals = [{"id": at, **rows[at]} for at in [*order, *order[::3]]]
    for start in range(0, len(arrivals), size):
        world.add(*arrivals[start : start + size])
    seen = [row for row in rows if row["day"] <= as_of]
    recent = [row for row in seen if row["day"] > as_of - 28]

    check_active(world.ask("active", as_of), seen, as_of)
    check_applications(world.ask("applications", as_of), recent)
    check_environments(world.ask("environments", as_of), recent)
    check_commands(world.ask("commands", as_of), recent)
    check_retention(world.ask("retention", as_of), seen, as_of)
    check_updates(world.ask("updates", as_of), seen, as_of)
    quality = world.ask("quality", 1000)
    assert (quality["stored"], quality["duplicate"]) == (len(rows), len(order[::3]))


def sets(rows, key, value):
    found = defaultdict(set)
    for row in rows:
        if None not in (key(row), value(row)):
            found[key(row)].add(value(row))
    return found


def who(row):
    return row["who"]


def day(row):
    return row["day"]


def check_active(answer, seen, as_of):
    def active(first, last):
        return {row["who"] for row in seen if first <= row["day"] <= last}

    month, before = active(as_of - 27, as_of), active(as_of - 55, as_of - 28)
    days = sets([row for row in seen if row["day"] > as_of - 28], who, day)
    assert answer["daily"] == len(active(as_of, as_of))
    assert answer["weekly"] == len(active(as_of - 6, as_of))
    assert answer["monthly"] == len(month)
    assert answer["regular"] == sum(len(found) >= 4 for found in days.values())
    assert answer["new"] == len(month - active(0, as_of - 28))
    assert answer["returning"] == answer["monthly"] - answer["new"]
    assert answer["lost"] == len(before - month)
    first = min((row["day"] for row in seen), default=as_of + 1)
    assert [(row["daily"], row["weekly"], row["monthly"]) for row in answer["series"]] == [
        tuple(len(active(at - window + 1, at)) for window in (1, 7, 28))
        for at in range(first, as_of + 1)
    ]


def counted(found):
    counts = defaultdict(int)
    for one in found.values():
        counts[str(len(one))] += 1
    return dict(counts)


def check_applications(answer, recent):
    named = sets(recent, who, lambda row: row.get("application.name"))
    daily = sets(recent, lambda row: (who(row), day(row)), lambda row: row.get("application.name"))
    assert answer["installations"] == len(named)
    assert answer["distribution"] == counted(named)
    assert answer["side_by_side"] == len({w for (w, _), found in daily.items() if len(found) > 1})


def check_environments(answer, recent):
    def environment(row):
        return row.get("application.env")

    named = [row for row in recent if "application.name" in row]
    per_application = sets(named, lambda row: (who(row), row["application.name"]), environment)
    assert answer["per_application"]["distribution"] == counted(per_application)
    assert answer["per_installation"]["distribution"] == counted(sets(recent, who, environment))


def check_commands(answer, recent):
    regular = {one for one, days in sets(recent, who, day).items() if len(days) >= 4}
    assert {row["command"] for row in answer["commands"]} == {"start", "stop"}
    for row in answer["commands"]:
        of_it = [event for event in recent if event["command"] == row["command"]]
        assert row["events"] == len(of_it)
        assert row["installations"] == len(set(map(who, of_it)))
        assert row["regular"] == len(set(map(who, of_it)) & regular)
        versions = sets(of_it, lambda event: event["version"], who)
        assert row["version"] == {
            version: {
                "events": sum(event["version"] == version for event in of_it),
                "installations": len(people),
            }
            for version, people in versions.items()
        }


def check_retention(answer, seen, as_of):
    def week(row):
        return (row["day"] + 4) // 7  # day 0 is a Friday

    weeks = sets(seen, who, week)
    cohorts = defaultdict(set)
    for one, found in weeks.items():
        cohorts[min(found)].add(one)
    last = (as_of + 4) // 7
    assert [cohort["active"] for cohort in answer["cohorts"]] == [
        [sum(at in weeks[one] for one in cohorts[first]) for at in range(first, last + 1)]
        for first in sorted(cohorts)
    ]
    assert [cohort["size"] for cohort in answer["cohorts"]] == [
        len(cohorts[first]) for first in sorted(cohorts)
    ]


def check_updates(answer, seen, as_of):
    def moment(row):
        return row["day"] + row["ms"] / 86_400_000

    known = {row["version"] for row in seen}
    known |= {version for version, at in DECLARED.items() if at <= as_of}
    assert [row["version"] for row in answer["versions"]] == sorted(known, key=precedence)
    for row in answer["versions"]:
        rank = precedence(row["version"])
        sights = [moment(event) for event in seen if event["version"] == row["version"]]
        released = DECLARED[row["version"]] if row["declared"] else min(sights)
        at_risk, updates = 0, []
        for one in set(map(who, seen)):
            own = [event for event in seen if who(event) == one]
            after = [moment(e) for e in own if precedence(e["version"]) >= rank]
            before = [moment(e) for e in own if precedence(e["version"]) < rank]
            was = bool(before) and min(before) < released
            had = bool(after) and min(after) < released
            if was and not had and max(map(moment, own)) >= released:
                at_risk += 1
                updates += [min(after) - released] if after else []
        assert (row["at_risk"], row["updated"]) == (at_risk, len(updates))
        for update in updates:
            assert any(point["days"] == pytest.approx(update) for point in row["curve"])
