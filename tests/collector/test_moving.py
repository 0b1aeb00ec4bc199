"""Everything that an embedded store holds comes to a server once, whatever comes in between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from askfirst import questions
from askfirst.collector import moving
from askfirst.stores.base import DAY_MS, DUPLICATE, STORED, Store, StoreError
from askfirst.stores.opening import open_store
from tests.stores import places
from tests.stores.making import DAY, NOON, TOOL, contract, events, hashed

NAME = "0123"
AS_OF = date(1970, 1, 1) + timedelta(days=DAY + 40)


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(tmp_path / "store.duckdb")) as store:
        store.declare(contract())
        store.load([events(*rows(range(30)))], {(TOOL, DAY, "dropped:too-old"): 3})
        store.load([events(*rows(range(3)))], {})  # duplicates
        yield store


@pytest.fixture
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    engine = getattr(request, "param", "clickhouse")
    with places.place(engine, tmp_path, request) as url, closing(open_store(url)) as store:
        yield store


def rows(days: Any, who: str = "ann") -> list[dict[str, Any]]:
    """Return two events of each day; one names an application, and came eight days late."""
    return [
        row
        for day in days
        for row in (
            {"who": who, "day": day, "id": (who, day, 0)},
            {
                "who": f"{who}{day % 3}",
                "day": day,
                "ms": NOON + 1,
                "id": (who, day, 1),
                "application.name": "aa" * 32,
                "interactive": True,
                "received": (DAY + day + 8) * DAY_MS,
            },
        )
    ]


def move(source: Store, target: Store) -> moving.Move:
    move = moving.Move(source, target, NAME)
    settled = sum(map(len, move))
    assert settled == move.total
    return move


def content(store: Store) -> list[Any]:
    """Return the events; engines differ in the order of those of one moment."""
    found = (
        row
        for part in store.events(TOOL)
        for row in zip(
            part.ids(), part.timestamp, part.installations(), part.version, part.command,
            part.rows_of_fields(), strict=True,
        )
    )  # fmt: skip
    return sorted(found, key=lambda row: row[1::-1])


def answers(store: Store) -> dict[str, str]:
    return {
        name: json.dumps(questions.ask(store, name, TOOL, AS_OF), sort_keys=True)
        for name in questions.NAMES
    }


def check_equal(source: Store, target: Store) -> None:
    assert content(source) == content(target)
    assert answers(source) == answers(target)
    assert [one.digest for one in source.contracts()] == [one.digest for one in target.contracts()]


def counted(store: Store, kind: str) -> int:
    asked = {"tool": TOOL, "as_of": moving.LAST_DAY}
    return sum(n for _, of, n in store.query("quality", asked) if of == kind)  # type: ignore[misc]


def test_everything_comes_once(source: Store, target: Store) -> None:
    assert move(source, target).brought == 60
    check_equal(source, target)
    assert counted(target, STORED) == 60
    assert counted(target, DUPLICATE) == 6
    again = move(source, target)
    assert (again.total, again.brought, again.problems(AS_OF)) == (0, 0, [])
    check_equal(source, target)


def test_what_is_cut_short_is_gone_on_with(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "PIECE", 4)
    cut = iter(moving.Move(source, target, NAME))
    for _ in range(5):
        next(cut)
    assert target.count(TOOL) == 20
    rest = move(source, target)
    assert (rest.total, rest.brought) == (40, 40)
    check_equal(source, target)


def test_a_stretch_that_came_without_its_counts_is_counted_once(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed between the events and the counts."""
    monkeypatch.setattr(moving, "PIECE", 1000)
    next(iter(moving.Move(source, target, NAME)))
    assert (target.count(TOOL), counted(target, STORED)) == (60, 0)
    assert move(source, target).brought == 0
    check_equal(source, target)


def test_what_came_meanwhile_is_brought_the_next_time(source: Store, target: Store) -> None:
    move(source, target)
    source.load([events(*rows(range(20, 35), who="bob"))], {(TOOL, DAY, "dropped:too-old"): 1})
    assert move(source, target).brought == 30
    check_equal(source, target)


@pytest.mark.parametrize("target", ["clickhouse", places.CLUSTER], indirect=True)
def test_what_was_forgotten_meanwhile_is_taken_back(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("askfirst.stores.clickhouse.arriving.MOST_KEYS", 3)
    move(source, target)
    assert source.erase(TOOL, hashed("ann1")) == 10
    assert source.retain(TOOL, (DAY + 5) * DAY_MS) == 8
    again = move(source, target)
    assert (again.brought, again.taken_back) == (0, 18)
    assert again.problems(AS_OF) == []
    check_equal(source, target)
    assert target.scrub() is False  # its bytes are gone too


def test_what_comes_again_after_it_was_taken_back_is_there(source: Store, target: Store) -> None:
    """The server must not take it for a repetition of the insert that brought it first."""
    move(source, target)
    source.erase(TOOL, hashed("ann"))
    move(source, target)
    source.load([events(*rows(range(30)))], {})
    assert move(source, target).brought == 30
    check_equal(source, target)


def test_what_somebody_else_loaded_counts_once_and_stays(source: Store, target: Store) -> None:
    """A delivery whose answer was lost came again, to a collector on the server."""
    target.declare(contract(**{"1.0.0": "2024-10-01"}))
    target.load([events(*rows(range(28, 32)))], {})
    done = move(source, target)
    assert (done.brought, done.others, done.has_others) == (56, 4, True)
    assert done.problems(AS_OF) == []
    assert counted(target, STORED) == target.count(TOOL) == 64
    assert counted(target, DUPLICATE) == 6 + 4
    assert target.contracts()[0].releases  # that of the collectors stays in force
    source.retain(TOOL, (DAY + 40) * DAY_MS)
    move(source, target)
    assert target.count(TOOL) == 8


def test_a_changed_contract_comes_along(source: Store, target: Store) -> None:
    move(source, target)
    source.declare(contract(**{"1.0.0": "2024-10-01"}))
    move(source, target)
    check_equal(source, target)


def test_what_differs_is_named(source: Store, target: Store) -> None:
    done = move(source, target)
    target.erase(TOOL, hashed("ann1"))
    found = done.problems(AS_OF)
    assert f"events of {TOOL} differ in 10 hours" in found
    assert f"the report active of {TOOL} differs" in found


def test_one_move_of_a_store_at_a_time(tmp_path: Path) -> None:
    with (
        moving.alone(tmp_path),
        pytest.raises(StoreError, match="copied already"),
        moving.alone(tmp_path),
    ):
        pass
    with moving.alone(tmp_path):
        pass


def test_only_from_a_file_to_a_server(source: Store) -> None:
    with pytest.raises(StoreError, match="only to ClickHouse"):
        moving.Move(source, source, NAME)
