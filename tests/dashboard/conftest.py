"""A store with a simulated population, and its pages, without a socket."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.applications import Starlette

from askfirst.contract import loading
from askfirst.dashboard.pages import Site, dashboard_routes
from askfirst.simulation import Population, arrivals, fill
from askfirst.stores.base import Store
from askfirst.stores.opening import open_store
from tests.collector.serving import Answer
from tests.simulation.conftest import END, TEXT

TODAY = END + dt.timedelta(days=1)
SIZE = {"installations": 100, "days": 200, "seed": 3, "end": END}


@dataclass
class Pages:
    """The pages of a store, asked without a socket."""

    site: Site

    def get(self, target: str, **headers: str) -> Answer:
        url = urlsplit(target)
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": url.path, "raw_path": url.path.encode(), "query_string": url.query.encode(),
            "root_path": "", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
            "headers": [(k.encode(), v.encode()) for k, v in {"host": "t", **headers}.items()],
        }  # fmt: skip
        sent: list[dict[str, Any]] = []
        asked: list[bool] = []

        async def receive() -> dict[str, Any]:
            if asked:
                await asyncio.Event().wait()  # nobody hangs up
            asked.append(True)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(Starlette(routes=dashboard_routes(self.site))(scope, receive, send))
        rows = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Answer(sent[0]["status"], rows, b"".join(m.get("body", b"") for m in sent[1:]))

    def text(self, target: str, **headers: str) -> str:
        """Return what a reader of a page sees, in one line."""
        answer = self.get(target, **headers)
        assert answer.status == 200, answer.body
        return visible(answer.body.decode())


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self._hidden += tag in ("script", "style", "select")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style", "select")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)


def visible(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    return re.sub(r"\s+", " ", "".join(parser.words))


async def caught_up() -> None:
    """Nothing is on its way."""


def site_of(store: Store, **changes: Any) -> Site:
    settings: dict[str, Any] = {
        "store": store,
        "caught_up": caught_up,
        "guard": lambda handler: handler,
        "today": lambda: TODAY,
    }
    return Site(**{**settings, **changes})


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a population in it that no test changes."""
    store = open_store(tmp_path_factory.mktemp("simulated") / "store.duckdb")
    population = Population(loading.parse(TEXT), **SIZE)
    fill(store, population, arrivals(population))
    yield store
    store.close()


@pytest.fixture
def pages(simulated: Store) -> Pages:
    return Pages(site_of(simulated))


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Return a function that makes an empty store with the contract declared."""
    made: list[Store] = []

    def make() -> Store:
        store = open_store(tmp_path / f"{len(made)}.duckdb")
        store.declare(loading.parse(TEXT))
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()
