"""What the pages say, and that it is what the questions answer."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from askfirst import questions
from askfirst.contract.loading import parse
from askfirst.dashboard.pages import PAGES, BehindError
from askfirst.dashboard.rendering import POLICY
from askfirst.stores.base import DAY_MS, Store
from tests.dashboard.conftest import END, TODAY, Pages, site_of
from tests.simulation.conftest import TEXT
from tests.stores.making import DAY, TOOL, events

PATHS = [page.path for page in PAGES]


@pytest.mark.parametrize("path", PATHS)
def test_a_page_keeps_to_itself(pages: Pages, path: str) -> None:
    """Nothing inline, nothing from elsewhere, not framed, not kept."""
    answer = pages.get(path)
    html = answer.body.decode()
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.findall(r"""(?:src|href|action)=["']?(?:https?:)?//""", html) == []
    assert re.findall(r"\son\w+=|\sstyle=|<style", html) == []
    scripts = re.findall(r"<script([^>]*)>", html)
    assert all("src=" in script or "application/json" in script for script in scripts)


@pytest.mark.parametrize("path", PATHS)
def test_every_figure_says_what_it_counts_and_has_its_table_and_files(
    pages: Pages, path: str
) -> None:
    html = pages.get(path).body.decode()
    figures = re.findall(r"<figure.*?</figure>", html, re.DOTALL)
    assert figures
    for figure in figures:
        caption = re.findall(r"<figcaption>(.*?)</figcaption>", figure, re.DOTALL)
        assert len(caption) == 1
        assert "Counts only installations that said Yes." in caption[0]
        assert "<table>" in figure
        for link in re.findall(r'href="(/figures/[^"]+)"', figure):
            assert pages.get(link.replace("&amp;", "&")).status == 200


def test_the_overview_answers_four_questions_in_four_sentences(
    pages: Pages, simulated: Store
) -> None:
    answer = questions.overview(simulated, TOOL, END)
    text = pages.text("/")
    active, updates = answer["active"], answer["updates"]
    assert (
        f"{active['monthly']:,} installations used stratus in the last 28 days, "
        f"{active['regular']:,} of them regularly" in text
    )
    assert f"within {updates['median_days']:.1f} days" in text
    assert f"builds {answer['applications']['mean']:.1f} applications" in text
    assert f"runs in {answer['environments']['per_application']['mean']:.1f} environments" in text


def test_active_says_who_came_stayed_and_left(pages: Pages, simulated: Store) -> None:
    answer = questions.ask(simulated, "active", TOOL, END)
    text = pages.text("/active")
    for name in ("daily", "weekly", "monthly", "regular", "new", "returning", "lost"):
        assert f"{answer[name]:,}" in text
    rows = figure(pages, "active/growth")
    assert rows[-1] == {
        "until": END.isoformat(),
        **{name: answer[name] for name in ("returning", "lost", "new", "regular")},
    }
    assert rows[-2]["until"] == (END - dt.timedelta(days=28)).isoformat()


def figure(pages: Pages, name: str, query: str = "") -> Any:
    answer = pages.get(f"/figures/{name}.json{query}")
    assert answer.status == 200
    return answer.json()["rows"]


@pytest.mark.parametrize("days", [28, 91, 400])
def test_the_range_is_what_is_shown(pages: Pages, days: int) -> None:
    rows = figure(pages, "active/series", f"?range={days}")
    first = END - dt.timedelta(days=min(days, 200) - 1)
    assert (rows[0]["day"], rows[-1]["day"]) == (first.isoformat(), END.isoformat())
    cohorts = figure(pages, "retention/triangle", f"?range={days}")
    assert len(cohorts) <= days // 7 + 1
    arrivals = figure(pages, "quality/arrivals", f"?range={days}")
    assert arrivals[0]["day"] >= first.isoformat()


def test_the_day_is_what_everything_is_as_of(pages: Pages, simulated: Store) -> None:
    day = dt.date(2026, 9, 15)
    answer = questions.ask(simulated, "applications", TOOL, day)
    assert f"of {answer['installations']:,} worked on" in pages.text(f"/applications?as_of={day}")
    assert f"as of {day}" in pages.text(f"/quality?as_of={day}")


def test_a_version_is_what_is_shown_of_updates_and_commands(pages: Pages, simulated: Store) -> None:
    [row] = figure(pages, "updates/curves", "?version=1.3.0")
    known = questions.ask(simulated, "updates", TOOL, END)["versions"]
    [true] = [one for one in known if one["version"] == "1.3.0"]
    assert (row["median_days"], row["at_risk"]) == (true["median_days"], true["at_risk"])
    shown = {row["version"] for row in figure(pages, "commands/versions", "?version=1.3.0")}
    assert shown == {"1.3.0"}
    everything = figure(pages, "updates/curves", "?version=all&range=400")
    assert len(everything) == len([one for one in known if one["at_risk"]])


def test_a_removal_is_felt_by_regular_installations(pages: Pages, simulated: Store) -> None:
    rows = {row["command"]: row for row in figure(pages, "commands/impact")}
    regular = questions.ask(simulated, "active", TOOL, END)["regular"]
    commands = questions.ask(simulated, "commands", TOOL, END)["commands"]
    for command in commands:
        row = rows[command["command"]]
        assert row["regular"] == command["regular"]
        assert row["share"] == pytest.approx(command["regular"] / regular)
        assert row["low"] <= row["share"] <= row["high"]
    least = min(commands, key=lambda row: (row["regular"], row["installations"]))
    assert f"Removing {least['command']} would be felt by" in pages.text("/commands")


def test_the_triangle_is_the_cohorts(pages: Pages, simulated: Store) -> None:
    cohorts = questions.ask(simulated, "retention", TOOL, END)["cohorts"]
    rows = figure(pages, "retention/triangle", "?range=400")
    for row, cohort in zip(rows, cohorts, strict=True):
        assert (row["week"], row["size"]) == (cohort["week"], cohort["size"])
        for after, active in enumerate(cohort["active"]):
            assert row[f"week_{after}"] == pytest.approx(active / cohort["size"])
    assert rows[-1]["week_1"] is None


def test_quality_names_every_reason(make_store: Callable[[], Store]) -> None:
    store = make_store()
    day = (END - dt.date(1970, 1, 1)).days
    made = events({"day": day - 20_000})
    store.load([made], {(TOOL, day, "dropped:too-old"): 7, (TOOL, day, "removed:runtime"): 2})
    pages = Pages(site_of(store))
    rows = figure(pages, "quality/drops")
    assert rows == [
        {"what": "dropped", "reason": "too-old", "events": 7},
        {"what": "removed", "reason": "runtime", "events": 2},
    ]
    assert "Of 8 events that arrived in the days shown, 7 were refused" in pages.text("/quality")


def test_csv_is_the_table_behind_the_chart(pages: Pages) -> None:
    answer = pages.get("/figures/active/series.csv?range=28")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.body.decode())))
    same = figure(pages, "active/series", "?range=28")
    assert rows == [{key: str(value) for key, value in row.items()} for row in same]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/active?tool=nothing", 422),
        ("/active?as_of=yesterday", 422),
        ("/active?as_of=0001-01-01", 422),
        ("/active?range=7", 422),
        ("/active?range=%C2%B2", 422),
        ("/figures/active/nothing.csv", 404),
        ("/figures/nothing/series.csv", 404),
        ("/figures/active/series.xml", 404),
        ("/figures/active/series.csv?range=x", 422),
        ("/public", 404),
    ],
)
def test_what_cannot_be_shown_is_a_page_that_says_so(
    pages: Pages, target: str, status: int
) -> None:
    assert pages.get(target).status == status


def test_what_is_asked_for_is_never_part_of_the_page_as_it_stands(pages: Pages) -> None:
    evil = "%3Cscript%3Ealert(1)%3C/script%3E"
    for target in (f"/?tool={evil}", f"/active?as_of={evil}", f"/updates?version={evil}"):
        assert b"<script>alert" not in pages.get(target).body


def test_data_for_charts_cannot_end_its_element(make_store: Callable[[], Store]) -> None:
    store = make_store()
    day = (END - dt.date(1970, 1, 1)).days - 20_000
    store.load([events({"day": day, "version": "</script><b>"})], {})
    html = Pages(site_of(store)).get("/commands").body.decode()
    assert "</script><b>" not in html
    assert "\\u003c/script\\u003e" in html


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_store_says_how_to_send_the_first_event(
    make_store: Callable[[], Store], path: str
) -> None:
    pages = Pages(site_of(make_store()))
    text = pages.text(path, host="127.0.0.1:8600")
    assert "No event yet: here is how to send the first one." in text
    assert "pip install askfirst" in text
    assert "export ASKFIRST_COLLECTOR=http://127.0.0.1:8600 stratus telemetry on" in text
    assert "stratus telemetry on stratus start" in text
    assert "the collector that" not in text
    assert "today" not in text


def test_from_elsewhere_an_empty_store_names_the_contracts_collector(
    make_store: Callable[[], Store],
) -> None:
    """A client ignores ASKFIRST_COLLECTOR unless it is a loopback address."""
    text = Pages(site_of(make_store())).text("/", host="telemetry.example.com")
    assert "ASKFIRST_COLLECTOR" not in text
    assert "stratus telemetry on stratus start" in text
    assert "(https://telemetry.example.org by the contract here)" in text


def test_events_of_today_are_offered_before_the_day_is_over(
    make_store: Callable[[], Store],
) -> None:
    store = make_store()
    store.load([events({"day": (TODAY - dt.date(1970, 1, 1)).days - 20_000})], {})
    pages = Pages(site_of(store))
    assert "Look at today so far" in pages.text("/")
    assert "1 installation used stratus" in pages.text(f"/?as_of={TODAY}")


@pytest.mark.parametrize("path", PATHS)
def test_the_first_days_have_their_page_too(pages: Pages, path: str) -> None:
    """Few installations, short curves, single cohorts: no page fails on any of them."""
    start = END - dt.timedelta(days=199)
    for day in (0, 1, 6, 8):
        assert pages.get(f"{path}?as_of={start + dt.timedelta(days=day)}").status == 200


def test_a_store_that_is_behind_is_said_on_a_page(simulated: Store) -> None:
    async def behind() -> None:
        raise BehindError("the store is behind; nothing is lost, try again later")

    answer = Pages(site_of(simulated, caught_up=behind)).get("/active")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    assert b"nothing is lost" in answer.body


def test_everything_but_static_files_is_guarded(simulated: Store) -> None:
    asked: list[str] = []

    def guard(handler: Any) -> Any:
        async def refuse(request: Any) -> Any:
            asked.append(request.url.path)
            raise PermissionError

        return refuse

    guarded = Pages(replace(site_of(simulated), guard=guard))
    for target in (*PATHS, "/figures/active/series.csv"):
        with pytest.raises(PermissionError):
            guarded.get(target)
    assert asked == [*PATHS, "/figures/active/series.csv"]
    assert guarded.get("/static/askfirst.css").status == 200


def test_several_tools_can_be_chosen(make_store: Callable[[], Store]) -> None:
    store = make_store()
    day = (END - dt.date(1970, 1, 1)).days - 20_000
    store.load([events({"day": day}, tool="nimbus"), events({"day": day}, tool="stratus")], {})
    html = Pages(site_of(store)).get("/active?tool=stratus").body.decode()
    assert '<select id="tool" name="tool">' in html
    assert "<option selected>stratus</option>" in html
    assert 'href="/updates?tool=stratus"' in html


def test_the_theme_that_was_chosen_comes_with_the_page(pages: Pages) -> None:
    assert b'data-theme="dark"' in pages.get("/", cookie="askfirst-theme=dark").body
    assert (
        b"data-theme=" not in pages.get("/", cookie="askfirst-theme=%22%3E").body.split(b"<body")[0]
    )


def test_the_figures_of_a_page_are_json_that_a_browser_reads(pages: Pages) -> None:
    html = pages.get("/updates").body.decode()
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html, re.DOTALL)
    kinds = [json.loads(block)["kind"] for block in blocks]
    assert kinds == ["steps", "bars"]


def test_a_page_leaves_out_what_needs_forgotten_events_and_says_so(
    make_store: Callable[[], Store],
) -> None:
    store = make_store()
    last = (END - dt.date(1970, 1, 1)).days
    days = range(last - DAY - 99, last - DAY + 1)
    store.load([events(*({"day": day, "version": f"{day}.0.0"} for day in days))], {})
    store.declare(parse(TEXT.replace("retention_days = 395", "retention_days = 40")))
    store.retain(TOOL, (last - 39) * DAY_MS)

    own = Pages(site_of(store))
    for path in set(PATHS) - {"/quality"}:
        as_of = END - dt.timedelta(days=14 if path not in ("/updates", "/retention") else 0)
        text = own.text(f"{path}?as_of={as_of}")
        assert f"Events before {END - dt.timedelta(days=38)} are deleted" in text, path
    text = own.text("/active")
    assert "first seen in the 28 days" not in text
    assert "Left out, for want of them: new, returning, lost." in text
    figure = own.get("/figures/active/growth.json").json()
    assert figure["rows"] == []
    assert "Left out, for want of them" in figure["caption"]


def test_the_date_at_the_foot_is_a_link_that_names_its_day(pages: Pages) -> None:
    html = pages.get("/active?range=28").body.decode()
    assert (
        f'as of <a href="/active?tool=stratus&amp;as_of={END}&amp;range=28">{END}</a> (UTC)' in html
    )


def test_a_median_of_no_time_at_all_is_one(make_store: Callable[[], Store]) -> None:
    store = make_store()
    last = (END - dt.date(1970, 1, 1)).days - DAY
    rows = [{"who": who, "day": last - 40} for who in range(9)]
    rows += [{"who": who, "day": last - 20, "version": "9.0.0"} for who in range(9)]
    store.load([events(*rows)], {})
    text = Pages(site_of(store)).get("/updates").body.decode()
    assert "9.0.0: 0.0" in text
    assert "No release has reached one half yet." not in text
