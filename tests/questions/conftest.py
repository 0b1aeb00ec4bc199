from __future__ import annotations

from datetime import date, timedelta

import pytest

from askfirst import questions
from askfirst.stores.opening import open_store
from tests.stores import places
from tests.stores.making import DAY, TOOL, contract, events


class World:
    """What a store knows of a tool; `ask` counts days as `events` does, from DAY on."""

    def __init__(self, store, tool=TOOL):
        self.store = store
        self.tool = tool

    def add(self, *rows, tool=None):
        self.store.load([events(*rows, tool=tool or self.tool)], {})

    def declare(self, **releases):
        days = {version: day_text(day) for version, day in releases.items()}
        self.store.declare(contract(self.tool, **days))

    def ask(self, name, as_of, tool=None):
        return questions.ask(self.store, name, tool or self.tool, the_day(as_of))


def the_day(day):
    return date(1970, 1, 1) + timedelta(days=DAY + day)


def day_text(day):
    return the_day(day).isoformat()


@pytest.fixture(params=places.ENGINES)
def world(request, tmp_path):
    """An empty store, of each engine in turn."""
    with places.place(request.param, tmp_path, request) as where:
        store = open_store(where)
        yield World(store)
        store.close()
