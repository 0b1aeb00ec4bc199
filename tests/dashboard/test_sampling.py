"""Pages of a tool whose contract asks a sample say so, and in public no small group shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from askfirst import questions
from askfirst.contract.loading import parse
from askfirst.contract.sampling import takes_part
from askfirst.dashboard.pages import PAGES
from askfirst.dashboard.views import public as in_public
from askfirst.questions import sampling
from askfirst.simulation import Population, arrivals, fill
from askfirst.stores.base import Store
from askfirst.stores.opening import open_store
from tests.dashboard.conftest import END, Pages, site_of
from tests.dashboard.test_public import K, add, figures_of, last, used
from tests.simulation.conftest import TEXT
from tests.stores.making import TOOL, hashed

HALF = parse(TEXT.replace("[tool]", "[tool]\nsample = 0.5"))
SAID = "Estimated from 50 % of them, drawn at random"


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = open_store(tmp_path_factory.mktemp("sampled") / "store.duckdb")
    population = Population(HALF, installations=80, days=60, seed=3, end=END)
    fill(store, population, arrivals(population))
    yield store
    store.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_figure_says_what_it_is_estimated_from(sampled: Store, page: Any) -> None:
    text = Pages(site_of(sampled)).text(page.path)
    assert (SAID in text) == (page.name != "quality")


def test_a_downloaded_figure_says_so_too(sampled: Store) -> None:
    found = Pages(site_of(sampled)).get("/figures/active/series.json").json()
    assert SAID in found["caption"]
    assert found["rows"][-1]["monthly"] % 2 == 0


def test_headline_numbers_stand_beside_their_intervals(sampled: Store) -> None:
    answer = questions.headline(sampled, TOOL, END)
    low, high = sampling.interval(answer["monthly"] // 2, 0.5)
    text = Pages(site_of(sampled)).text("/active")
    assert f"{low:,} to {high:,}" in text
    assert f"(95 % interval {low} to {high}) used stratus" in text
    impact = Pages(site_of(sampled)).get("/figures/commands/impact.json").json()["rows"]
    assert all(row["regular"] % 2 == 0 and row["low"] <= row["share"] for row in impact)


def test_who_has_no_sample_sees_none_of_this(pages: Pages) -> None:
    assert "Estimated" not in pages.text("/")
    assert "Estimated" not in pages.text("/active")


@pytest.fixture
def few(tmp_path: Path) -> Iterator[Store]:
    """40 installations in a sample of a half, of which 7 used `stop`: an estimated 14."""
    store = open_store(tmp_path / "store.duckdb")
    store.declare(HALF)
    inside = [who for who in range(200) if takes_part(0.5, hashed(who).hex())][:40]
    rows = []
    for number, who in enumerate(inside):
        rows += used(who, 0, 3, 9, 20, command="stop" if number < 7 else "start")
    add(store, *rows)
    yield store
    store.close()


def test_in_public_counts_are_scaled_multiples_of_the_threshold(few: Store, tmp_path: Path) -> None:
    shown = last(figures_of(few, tmp_path).read())
    assert (shown["sample"], shown["threshold"]) == (0.5, 2 * K)
    assert shown["installations"] == 80
    assert shown["installations"] % (2 * K) == 0
    view = in_public.view(TOOL, [shown])
    assert all(SAID in figure.caption for figure in view.figures)
    assert f"rounded to {2 * K} or more" in view.figures[0].caption


def test_in_public_a_group_of_which_few_were_seen_is_withheld(few: Store, tmp_path: Path) -> None:
    """Seven that were seen stand for fourteen, which is over the threshold; seven is not."""
    rows = {row["command"]: row for row in last(figures_of(few, tmp_path).read())["commands"]}
    assert rows["stop"]["installations"] is None
    estimated = questions.ask(few, "commands", TOOL, END)["commands"]
    assert next(row["installations"] for row in estimated if row["command"] == "stop") > K
