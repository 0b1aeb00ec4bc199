"""What is given after events were forgotten is what the whole store gave, or it is not given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from askfirst import questions
from askfirst.contract.model import Contract
from askfirst.questions import flat, history
from askfirst.questions.calendar import day_number
from askfirst.stores.base import DAY_MS
from askfirst.stores.opening import open_store
from tests.questions.conftest import World, day_text, the_day
from tests.stores.making import DAY, NOON, TOOL, contract

END = 120  # today, not over yet; events of every day before it
RELEASES = {0: "1.0.0", 40: "1.1.0", 70: "1.2.0", 101: "1.3.0"}
DECLARED = {"1.1.0": 40, "1.2.0": 70}


def keeping(days: int, **more: Any) -> Contract:
    releases = {version: day_text(day) for version, day in DECLARED.items()}
    data: Any = contract(**releases).as_dict()
    data["tool"].update(retention_days=days, **more)
    return Contract.from_dict(data)


def version_of(who: int, day: int) -> str:
    return next(v for since, v in reversed(RELEASES.items()) if since <= max(0, day - who % 9))


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[World]:
    """120 days of 60 installations that come and go, none of them away for 28 days and back."""
    world = World(open_store(tmp_path / "some.duckdb"))
    world.add(
        *(
            {"who": who, "day": day, "id": (who, day), "version": version_of(who, day)}
            for who in range(60)
            for day in range(who * 2, min(END, who * 2 + 20 + who % 4 * 30), 1 + who % 11)
        )
    )
    yield world
    world.store.close()


def ask(world: Any, name: str, back: int = 1) -> dict[str, Any]:
    day = the_day(END - back)
    return questions.ask(world.store, name, TOOL, day, today=the_day(END))


def forget(world: Any, days: int, **more: Any) -> int:
    """Let the retention come into force at noon; return the first day kept whole."""
    world.store.declare(keeping(days, **more))
    assert world.store.retain(TOOL, (DAY + END - days) * DAY_MS + NOON)
    return END - days + 1


@pytest.mark.parametrize("days", [30, 80])
def test_what_is_given_is_what_the_whole_store_gives(filled: World, days: int) -> None:
    filled.store.declare(keeping(395))
    names = ("active", "updates", "retention", "applications", "commands")
    whole = {back: {name: ask(filled, name, back) for name in names} for back in (1, 11)}
    assert "history" not in str(whole)
    first = forget(filled, days)
    for back, were in whole.items():
        left = {name: ask(filled, name, back) for name in names}
        _compare(left, were, END - back, first)
    assert bool(left["updates"]["versions"]) == bool(left["retention"]["cohorts"]) == (days == 80)


def _compare(left: Any, whole: Any, as_of: int, first: int) -> None:
    short = as_of - 27 < first
    active, was = left["active"], whole["active"]
    for key in ("new", "returning", "lost"):
        assert active[key] == (was[key] if as_of - 55 >= first else None)
    assert active["series"] == [r for r in was["series"] if r["day"] >= day_text(first + 27)]
    for name in ("applications", "commands"):
        assert left[name].get("history", {}).get("short", False) == short
    if not short:
        for key in ("daily", "weekly", "monthly", "regular"):
            assert active[key] == was[key]
        assert left["commands"] == whole["commands"]
    for name, key in (("updates", "versions"), ("retention", "cohorts")):
        given, were = left[name][key], whole[name][key]
        assert given == were[len(were) - len(given) :]
        assert len(given) + len(left[name]["history"]["left_out"]) <= len(were)


def test_without_it_the_rest_would_pass_for_all(filled: World) -> None:
    """The same questions, unlimited: what is left says something else."""
    from askfirst.questions import active, retention, updates

    as_of = day_number(the_day(END - 1))
    asked = (active.ask, updates.ask, retention.ask)
    filled.store.declare(keeping(395))
    whole = [one(filled.store, TOOL, as_of) for one in asked]
    forget(filled, 30)
    left = [one(filled.store, TOOL, as_of) for one in asked]

    assert left[0]["new"] > whole[0]["new"]
    assert left[0]["lost"] < whole[0]["lost"]
    assert left[1]["versions"][0]["released"] > whole[1]["versions"][0]["released"]
    assert left[2]["cohorts"][0]["size"] > max(c["size"] for c in whole[2]["cohorts"])


def test_it_is_said(filled: World) -> None:
    first = day_text(forget(filled, 30))
    said = {name: history.said(ask(filled, name, 11)) for name in questions.NAMES}

    for name in ("active", "applications", "environments", "commands"):
        assert said[name].startswith(f"Events before {first} are deleted")
        assert said[name].endswith("of them only what is left is counted.")
    assert "Left out, for want of them: new, returning, lost." in said["active"]
    assert "1.1.0, 1.2.0, 1.3.0" in said["updates"]
    assert "Left out" in said["retention"]
    assert said["quality"] == ""
    overview = ask(filled, "overview")
    assert overview["active"]["history"]["left_out"] == ["new", "returning", "lost"]
    assert overview["updates"] is None
    assert "active.history.left_out,new returning lost\n" in flat.csv_text("overview", overview)


def test_nothing_is_missing_from_the_days_on_that_contract_check_asks_for(filled: World) -> None:
    forget(filled, history.NEEDED_DAYS)
    assert "history" not in ask(filled, "active")
    forget(filled, history.NEEDED_DAYS - 1)
    assert ask(filled, "active")["history"]["left_out"] == ["new", "returning", "lost"]


def test_as_long_as_older_events_are_there_nothing_is_left_out(filled: World) -> None:
    filled.store.declare(keeping(395))
    whole = [ask(filled, name) for name in questions.NAMES]
    filled.store.declare(keeping(30))  # and no collector has looked after the store since
    assert [ask(filled, name) for name in questions.NAMES] == whole


def test_in_a_store_that_nobody_serves_any_more_the_last_arrival_is_its_today(
    filled: World,
) -> None:
    first = forget(filled, 30)
    later = the_day(END) + timedelta(days=200)
    answer = questions.ask(filled.store, "active", TOOL, the_day(END - 1), today=later)
    assert answer["history"]["kept_from"] in (day_text(first - 1), day_text(first))


def test_an_estimate_is_left_out_with_its_interval(filled: World) -> None:
    forget(filled, 30, sample=0.75)
    answer = ask(filled, "active")
    assert answer["new"] is None
    assert answer["estimate"]["low"].keys() == {"daily", "weekly", "monthly", "regular"}
