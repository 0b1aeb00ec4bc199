"""A real collector with a simulated population, looked at with Debian's Chromium."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from askfirst.contract import loading
from askfirst.simulation import Population, arrivals, fill
from askfirst.stores.opening import open_store
from tests.collector.serving import Server, servers, wait_until
from tests.simulation.conftest import END, TEXT

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 120_000  # on a machine that does much else
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
RELEASED = re.compile(r"\d{4}-\d\d-\d\d$", re.MULTILINE)

expect.set_options(timeout=PATIENCE_MS)


def yesterday() -> dt.date:
    return dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; ended before another module of tests begins, with its event loop."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS
        )
        yield started
        started.close()


def contract_until(end: dt.date) -> str:
    """Return the contract with its releases as long before that day as they are before END."""

    def moved(found: re.Match[str]) -> str:
        return str(dt.date.fromisoformat(found[0]) + (end - END))

    return RELEASED.sub(moved, TEXT)


@contextmanager
def serving(
    folder: Path, *words: str, installations: int = 0, end: dt.date | None = None
) -> Iterator[Server]:
    """Run `askfirst serve` on a store with a population of that size, up to `end` or yesterday."""
    contract, place = folder / "telemetry.toml", folder / "store.duckdb"
    end = end or yesterday()
    contract.write_text(contract_until(end))
    if installations:
        store = open_store(place)
        population = Population(
            loading.load(contract), installations=installations, days=200, seed=5, end=end
        )
        fill(store, population, arrivals(population))
        store.close()
    begin_words = ("serve", "--contract", str(contract), "--store", str(place), *words)
    with servers(folder / "home") as begin:
        server = begin(*begin_words)
        yield server
        assert server.stop() == 0, server.errors


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("full"), "--public", installations=120) as started:
        yield started


class Visitor:
    """A window of a browser that complains about everything a page does wrong."""

    def __init__(self, browser: Browser, url: str, **settings: Any) -> None:
        self.url = url
        self.complaints: list[str] = []
        self._context = browser.new_context(accept_downloads=True, locale="en-GB", **settings)
        self._context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self.page.on("response", self._answered)

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Any) -> None:
        where = urlsplit(request.url)
        if where.scheme not in ("blob", "data") and where.netloc != urlsplit(self.url).netloc:
            self.complaints.append(f"another host: {where.netloc}")

    def _answered(self, response: Any) -> None:
        if response.status >= 500:
            self.complaints.append(f"{response.status}: {response.url}")

    def log_in(self, server: Server) -> None:
        self.page.goto(f"{self.url}/login#{server.token}")
        self.page.wait_for_url(f"{self.url}/")

    def go(self, path: str) -> Page:
        """Open a page, and wait until its charts are drawn for good."""
        self.page.goto(f"{self.url}{path}")
        self.settle()
        return self.page

    def settle(self) -> None:
        self.page.wait_for_load_state("load")
        self.page.wait_for_function(
            "[...document.querySelectorAll('[data-chart]')].every((e) => e.querySelector('canvas'))"
        )
        # the page draws them anew when its fonts are there
        self.page.evaluate("() => document.fonts.ready.then(() => 0)")

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, and listen meanwhile to what the page says."""
        wait_until(lambda: self.page.wait_for_timeout(1) or condition(), PATIENCE_MS / 1000)

    def forgive(self, text: str, times: int = 1) -> None:
        """Take back so many complaints of what the test itself provoked, when they have come."""

        def provoked() -> list[str]:
            return [said for said in self.complaints if text in said]

        self.wait_for(lambda: len(provoked()) >= times)
        for said in provoked()[:times]:
            self.complaints.remove(said)

    def close(self) -> None:
        self._context.close()
        assert self.complaints == []


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Visitor]]:
    """Return a function that opens a window, logged in; what any of them complains of, fails."""
    opened: list[Visitor] = []

    def begin(size: str = "desktop", *, log_in: bool = True, **settings: Any) -> Visitor:
        width, height = SIZES[size]
        size_of = {"width": width, "height": height}
        visitor = Visitor(browser, server.url, viewport=size_of, **settings)
        opened.append(visitor)
        if log_in:
            visitor.log_in(server)
        return visitor

    yield begin
    for visitor in opened:
        visitor.close()
