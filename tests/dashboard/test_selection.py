"""What a page shows lives in its URL."""

from __future__ import annotations

import datetime as dt

import pytest
from starlette.datastructures import QueryParams

from askfirst.dashboard.selection import Selection, WrongSelectionError

DAY = dt.date(2026, 11, 24)


def read(query: str, *tools: str) -> Selection:
    return Selection.read(QueryParams(query), tools or ("stratus",), DAY)


@pytest.mark.parametrize(
    "query",
    [
        "?tool=stratus",
        "?tool=nimbus",
        "?tool=stratus&as_of=2026-10-01",
        "?tool=stratus&range=28",
        "?tool=stratus&version=1.4.0%2B1",
        "?tool=stratus&as_of=2026-10-01&range=400&version=all",
    ],
)
def test_a_query_is_read_and_written_the_same(query: str) -> None:
    assert read(query[1:], "stratus", "nimbus").query == query


def test_what_is_not_said_is_the_default() -> None:
    chosen = read("")
    assert (chosen.tool, chosen.as_of, chosen.days, chosen.version) == (
        "stratus",
        DAY,
        182,
        "newest",
    )
    assert chosen.first == DAY - dt.timedelta(days=181)
    assert read("as_of=&range=&version=&tool=") == chosen


@pytest.mark.parametrize(
    "query",
    ["tool=x", "as_of=1", "as_of=9999-12-31", "range=-1", "range=1e9", "range=²", "range=5"],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(query: str) -> None:
    with pytest.raises(WrongSelectionError):
        read(query)


def test_another_day_keeps_the_rest() -> None:
    assert read("range=28").on(dt.date(2026, 1, 1)).query == (
        "?tool=stratus&as_of=2026-01-01&range=28"
    )


def test_a_link_to_hand_on_names_the_day_that_is_meant() -> None:
    chosen = read("range=28")
    assert chosen.link == f"?tool=stratus&as_of={DAY}&range=28"
    query = QueryParams(chosen.link[1:])
    tomorrow = Selection.read(query, ["stratus"], DAY + dt.timedelta(days=1))
    assert (tomorrow.as_of, tomorrow.days) == (DAY, 28)
