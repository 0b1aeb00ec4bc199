"""The dashboard as people meet it: a real collector, a real browser, a simulated population.

Every window fails its test on a console error or warning, a violation of the content security
policy, an exception, an answer of 500, and a request to any other host.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser, Page, expect

from askfirst.dashboard.pages import PAGES
from tests.collector.serving import Server
from tests.dashboard.browser import axe
from tests.dashboard.browser.conftest import Visitor, serving, yesterday

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium", "npm")]

PATHS = [page.path for page in PAGES]
Visit = Callable[..., Visitor]

# how many different colours a chart's canvas has: a blank one has one
COLOURS = """(e) => {
  const c = e.querySelector("canvas");
  const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
  const seen = new Set();
  for (let i = 0; i < d.length; i += 4) seen.add(d[i] * 65536 + d[i + 1] * 256 + d[i + 2]);
  return seen.size;
}"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def look_at(page: Page) -> None:
    """Check what has to hold of every page in every window."""
    charts = page.locator("[data-chart]")
    assert charts.count()
    for at in range(charts.count()):
        assert charts.nth(at).evaluate(COLOURS) > 2
        assert len(charts.nth(at).get_attribute("aria-label") or "") > 20
    assert page.evaluate(OVERFLOW) <= 0
    assert axe.findings(page) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_page_on_a_desk(visit: Visit, path: str) -> None:
    page = visit().go(path)
    look_at(page)
    expect(page.locator("nav [aria-current=page]")).to_have_count(1)
    for details in page.locator("details").all():
        details.locator("summary").click()
        assert details.locator("tbody tr").count()
    assert axe.findings(page) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_page_in_the_dark_on_a_phone(visit: Visit, path: str) -> None:
    page = visit("phone", color_scheme="dark", has_touch=True).go(path)
    look_at(page)
    assert is_dark(page)


def test_a_window_complains_of_what_the_policy_forbids(visit: Visit) -> None:
    """The other tests can fail: a style, a script and another host are each noticed."""
    visitor = visit()
    page = visitor.go("/active")
    for act in (
        "document.body.setAttribute('style', 'color: red')",
        "document.body.append(Object.assign(document.createElement('script'), {text: '1'}))",
        "void fetch('http://127.0.0.2:9/').catch(() => 0)",
    ):
        before = len(visitor.complaints)
        page.evaluate(act)
        visitor.wait_for(lambda n=before: len(visitor.complaints) > n)
    page.context.close()  # so that none of what was provoked is still to come
    visitor.complaints.clear()


def is_dark(page: Page) -> bool:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red, *_ = map(int, re.findall(r"\d+", colour))
    return red < 128


def test_the_button_chooses_the_colours_and_they_stay(visit: Visit) -> None:
    page = visit(color_scheme="light").go("/active")
    chart = page.locator("[data-chart]").first
    before = chart.evaluate(COLOURS)
    chart.evaluate("(e) => { window.first = echarts.getInstanceByDom(e); }")
    page.get_by_role("button", name="Switch to dark colours").click()
    assert is_dark(page)
    assert before > 2
    # had it made way for another while it painted, as on a slow machine, it would have thrown
    assert chart.evaluate("(e) => echarts.getInstanceByDom(e) === first && !first.isDisposed()")
    assert option(page, "series", "color[0]") != "#1f5f99"
    page.reload()
    assert is_dark(page)
    page.get_by_role("button", name="Switch to light colours").click()
    assert not is_dark(page)


# Filters


def test_a_range_shows_at_once_and_lives_in_the_address(visit: Visit) -> None:
    visitor = visit()
    page = visitor.go("/active")
    page.get_by_label("Shown", exact=True).select_option("28")
    page.wait_for_url(re.compile(r"range=28"))
    visitor.settle()
    page.locator("#series summary").click()
    assert page.locator("#series tbody tr").count() == 28
    page.get_by_role("link", name="Retention").click()
    page.wait_for_url(re.compile(r"/retention\?.*range=28"))


def test_a_day_is_chosen_and_shown(visit: Visit) -> None:
    day = yesterday() - dt.timedelta(days=40)
    page = visit().go("/quality")
    page.get_by_label("As of").fill(day.isoformat())
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(rf"as_of={day}"))
    expect(page.locator("footer")).to_contain_text(f"as of {day}")


def test_a_version_is_chosen_and_shown(visit: Visit) -> None:
    visitor = visit()
    for path, name in (("/updates?range=400", "curves"), ("/commands", "versions")):
        page = visitor.go(path)
        page.get_by_label("Version", exact=True).select_option("1.3.0")
        page.wait_for_url(re.compile(r"version=1\.3\.0"))
        visitor.settle()
        page.locator(f"#{name} summary").click()
        assert page.locator(f"#{name} tbody tr", has_text="1.3.0").count()
        assert page.locator(f"#{name} tbody tr", has_text="1.2.0").count() == 0


# Charts


def option(page: Page, name: str, what: str) -> Any:
    return page.evaluate(
        f"echarts.getInstanceByDom(document.querySelector('#{name} [data-chart]')).getOption().{what}"
    )


@pytest.mark.parametrize(
    ("path", "name", "said"),
    [
        ("/active", "series", "monthly"),
        ("/active", "growth", "returning"),
        ("/updates?range=400", "curves", "after"),
        ("/updates?range=400", "medians", "95 % interval"),
        ("/retention", "triangle", "weeks"),
        ("/retention", "stay", "95 % interval"),
        ("/commands", "impact", "regular"),
        ("/applications", "distribution", "installations"),
        ("/quality", "arrivals", "stored"),
    ],
)
def test_what_the_pointer_is_on_is_said(visit: Visit, path: str, name: str, said: str) -> None:
    page = visit().go(path)
    chart = page.locator(f"#{name} [data-chart]")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.35)
    page.mouse.move(box["x"] + box["width"] * 0.32, box["y"] + box["height"] * 0.4)
    tip = page.locator(f"#{name} .tip")
    expect(tip).to_contain_text(said)
    assert page.locator(f"#{name} .tip span").count()


def test_a_chart_zooms_and_its_legend_hides_a_line(visit: Visit) -> None:
    page = visit().go("/active")
    chart = page.locator("#series [data-chart]")
    box = chart.bounding_box()
    assert box is not None
    assert option(page, "series", "dataZoom[0].start") == 0
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_function(
        "echarts.getInstanceByDom(document.querySelector('#series [data-chart]'))"
        ".getOption().dataZoom[0].start > 0"
    )
    page.mouse.click(box["x"] + 30, box["y"] + 9)
    page.wait_for_function(
        "echarts.getInstanceByDom(document.querySelector('#series [data-chart]'))"
        ".getOption().legend[0].selected.monthly === false"
    )


@pytest.mark.parametrize(
    ("path", "name"), [("/updates", "curves"), ("/retention", "triangle"), ("/active", "growth")]
)
def test_a_chart_is_taken_along_as_svg_and_png(
    visit: Visit, tmp_path: Path, path: str, name: str
) -> None:
    page = visit().go(path)
    for kind in ("SVG", "PNG"):
        with page.expect_download() as started:
            page.locator(f"#{name}").get_by_role("button", name=kind).click()
        file = tmp_path / started.value.suggested_filename
        started.value.save_as(file)
        assert file.name == f"{name}.{kind.lower()}"
        if kind == "SVG":
            root = ET.fromstring(file.read_text())
            assert root.tag.endswith("svg")
            assert len(list(root.iter())) > 20
        else:
            assert file.read_bytes().startswith(b"\x89PNG\r\n")
            assert file.stat().st_size > 3000


def test_the_numbers_are_taken_along_as_csv_and_json(visit: Visit, tmp_path: Path) -> None:
    page = visit().go("/active?range=28")
    texts = {}
    for kind in ("CSV", "JSON"):
        with page.expect_download() as started:
            page.locator("#series").get_by_role("link", name=kind).click()
        started.value.save_as(tmp_path / kind)
        texts[kind] = (tmp_path / kind).read_text()
    rows = list(csv.DictReader(io.StringIO(texts["CSV"])))
    assert len(rows) == len(json.loads(texts["JSON"])["rows"]) == 28


# Other ways of looking


def test_everything_can_be_done_with_the_keyboard(visit: Visit) -> None:
    visitor = visit()
    page = visitor.go("/active")
    press = page.keyboard.press
    press("Tab")
    assert focused(page) == "Skip to the answers"
    press("Enter")
    page.wait_for_function("document.activeElement.id === 'main'")
    reached = set()
    for _ in range(60):
        press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            continue  # past the last, before the first
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        reached.add(focused(page))
    assert {"Show", "Table", "CSV", "JSON", "SVG", "PNG"} <= reached

    page = visitor.go("/active")
    tab_to(page, "Table")
    press("Enter")
    expect(page.locator("#series details")).to_have_attribute("open", "")
    tab_to(page, "Commands", back=True)
    press("Enter")
    page.wait_for_url(re.compile("/commands"))
    tab_to(page, "Log out")
    press("Enter")
    page.wait_for_url(re.compile("/login"))


def focused(page: Page) -> str:
    text: str = page.evaluate("(document.activeElement.textContent || '').trim()")
    return text


def tab_to(page: Page, text: str, *, back: bool = False) -> None:
    for _ in range(80):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if focused(page) == text:
            return
    raise AssertionError(f"the keyboard never gets to {text}")


def test_a_page_prints_light_whatever_the_screen_is(visit: Visit) -> None:
    visitor = visit(color_scheme="dark")
    page = visitor.go("/")
    dark = page.locator("[data-chart]").first.evaluate(COLOURS)
    page.emulate_media(media="print")
    assert not is_dark(page)
    for selector in ("nav", ".tools", ".takeaway", ".filters button"):
        assert not page.locator(selector).first.is_visible()
    assert page.locator("figcaption").first.is_visible()
    line = "echarts.getInstanceByDom(document.querySelector('[data-chart]')).getOption().color[0]"
    page.wait_for_function(f"{line} === '#1f5f99'")  # a page hears of it a little later
    assert dark > 2
    assert page.pdf().startswith(b"%PDF")


def test_without_a_script_sentences_numbers_and_tables_are_there(
    visit: Visit, server: Server
) -> None:
    visitor = visit(log_in=False, java_script_enabled=False)
    page = visitor.page
    page.goto(f"{visitor.url}/active")
    page.get_by_label("Token").fill(server.token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{visitor.url}/")
    visitor.forgive("401")
    page.goto(f"{visitor.url}/active")
    expect(page.locator(".sentence")).to_contain_text("installations")
    page.locator("#series summary").click()
    expect(page.locator("#series tbody tr").first).to_be_visible()
    page.get_by_label("Shown", exact=True).select_option("28")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile("range=28"))


# Who may look


def test_the_login_link_leaves_no_token_behind(visit: Visit, server: Server) -> None:
    visitor = visit()
    page = visitor.page
    assert server.token not in page.url
    assert page.evaluate("document.cookie") == ""  # HttpOnly
    page.go_back()
    assert server.token not in page.url
    cookies = page.context.cookies()
    assert [(cookie["httpOnly"], cookie["sameSite"]) for cookie in cookies] == [(True, "Strict")]


def test_the_login_link_works_where_the_form_is_open_already(visit: Visit, server: Server) -> None:
    visitor = visit(log_in=False)
    visitor.page.goto(f"{visitor.url}/login")
    visitor.log_in(server)
    expect(visitor.page.locator(".sentence")).to_have_count(4)


def test_a_stranger_gets_a_form_and_a_wrong_token_gets_nobody_in(visit: Visit) -> None:
    visitor = visit(log_in=False)
    page = visitor.page
    for path in PATHS:
        page.goto(f"{visitor.url}{path}")
        expect(page.get_by_label("Token")).to_be_visible()
        assert page.locator(".sentence").count() == 0
    assert axe.findings(page) == []
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("That is not the token.")
    assert axe.findings(page) == []
    visitor.forgive("401", len(PATHS) + 1)  # the browser itself reports each


def test_who_logs_out_is_out(visit: Visit) -> None:
    visitor = visit()
    page = visitor.go("/active")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(re.compile("/login"))
    page.goto(f"{visitor.url}/active")
    expect(page.get_by_label("Token")).to_be_visible()
    visitor.forgive("401")


def test_anybody_may_see_the_public_page_and_no_more(visit: Visit) -> None:
    visitor = visit(log_in=False)
    page = visitor.go("/public")
    look_at(page)
    assert page.locator("nav").count() == 0
    with page.expect_download() as started:
        page.get_by_role("button", name="SVG").first.click()
    assert started.value.suggested_filename.endswith(".svg")


@pytest.mark.parametrize("words", [(), ("--no-token",)])
def test_an_empty_store_says_how_to_send_the_first_event(
    browser: Browser, tmp_path: Path, words: tuple[str, ...]
) -> None:
    with serving(tmp_path, *words) as server:
        visitor = Visitor(browser, server.url, viewport={"width": 390, "height": 844})
        if not words:
            visitor.log_in(server)
        for path in PATHS:
            page = visitor.go(path)
            expect(page.locator(".sentence")).to_contain_text("No event yet")
            assert page.evaluate(OVERFLOW) <= 0
        assert axe.findings(page) == []
        assert page.get_by_role("button", name="Log out").count() == (0 if words else 1)
        visitor.close()
