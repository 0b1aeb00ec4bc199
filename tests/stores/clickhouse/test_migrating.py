"""A database that an older askfirst made is brought up to date, and what it answers stays."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import numpy as np
import pytest

from askfirst.stores.base import DAY_MS
from askfirst.stores.clickhouse import sql
from askfirst.stores.clickhouse.store import ClickHouseStore
from askfirst.stores.opening import open_store
from tests.collector.serving import wait_until
from tests.stores.making import DAY, TOOL, contract, events, hashed
from tests.stores.places import CLUSTER, place

ENGINES = ("clickhouse", pytest.param(CLUSTER, marks=pytest.mark.slow))
MANY = [
    {
        "id": row,
        "who": row % 40,
        "day": row % 60,
        "version": f"1.{row % 3}.0",
        "application.name": f"{row % 5}",
        "application.env": f"{row % 7}",
    }
    for row in range(2000)
]
ASKED = {
    "tool": TOOL,
    "as_of": DAY + 50,
    "first": DAY,
    "versions": ["1.0.0", "1.1.0", "1.2.0"],
    "ranks": [0, 1, 2],
    "below": "f" * 64,  # of a sample of all but nobody
    "instants": [0, (DAY + 7) * DAY_MS, (DAY + 9) * DAY_MS],
}
# the questions, and which of what is summed up each reads
READ = {
    "activity": {"seen"},
    "active_days": {"seen"},
    "retention": {"seen"},
    "versions": {"seen"},
    "updates": {"seen", "events"},
    "applications": {"named"},
    "side_by_side": {"named"},
    "environments_per_application": {"named"},
    "environments_per_installation": {"named"},
    "commands": {"events"},
}


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of an engine, and the server that is asked about it."""
    server = request.getfixturevalue(request.param)
    return request.param, server.servers[0] if request.param == CLUSTER else server


def answers(store):
    return {name: sorted(map(repr, store.query(name, ASKED))) for name in READ}


@pytest.mark.parametrize("number", [number for number, _, _ in sql.migrations()[:-1]])
def test_an_older_store_keeps_what_it_has_and_is_summed_up(
    number, engine, tmp_path, request, monkeypatch
):
    name, server = engine
    whole = sql.migrations()
    with monkeypatch.context() as older:
        older.setattr(sql, "migrations", lambda: whole[:number])
        # the first version had no table to look this up in
        older.setattr(ClickHouseStore, "_erased", lambda _, part: np.zeros(len(part.events), bool))
        with place(name, tmp_path, request) as url:
            old = open_store(url)
            old.declare(contract())
            old.load([events(*MANY)], {})
            before = answers(old)
            old.close()
            older.undo()

            store = open_store(url)
            assert answers(store) == before
            database = urlsplit(url).path[1:]
            at = f"FROM system.mutations WHERE database = '{database}' AND NOT is_done"
            wait_until(lambda: server.ask(f"SELECT count() {at}") == "0", 120)
            lacking = (
                f"SELECT count() FROM system.parts WHERE database = '{database}' AND active"
                " AND table LIKE '%events' AND NOT hasAll(projections, ['seen', 'named'])"
            )
            assert server.ask(lacking) == "0"
            assert server.ask(f"SELECT max(number) FROM {database}.migrations") == str(len(whole))
            assert answers(store) == before
            store.erase(TOOL, hashed(7))
            gone = [row for row in MANY if row["who"] != 7]
            assert store.count(TOOL) == len(gone)
            store.close()


def test_what_is_summed_up_is_what_is_read(store):
    """The engine takes it for a question in the very words of the migration, and for no other."""
    store.load([events(*MANY)], {})
    for name, sums in READ.items():
        text = sql.sampled(sql.on_shards(sql.question(name)))
        plan = "\n".join(line for (line,) in store._ask(f"EXPLAIN {text}", ASKED))
        found = re.findall(r"ReadFromMergeTree \(([^)]*)\)", plan)
        assert {one.rpartition(".")[2] for one in found} == sums, (name, plan)


@pytest.mark.slow  # two servers have to start
def test_what_is_summed_up_is_what_the_shards_read(cluster):
    url = cluster.new()
    try:
        store = open_store(url)
        store.load([events(*MANY)], {})
        for name, sums in READ.items():
            text = sql.on_shards(sql.question(name), cluster.name, store.address.database)
            summary = store._hosts().front.query(text, parameters=ASKED).summary
            few = int(summary["read_rows"]) < len(MANY) / 4
            assert few == ("events" not in sums or name == "updates"), (name, summary)
        store.close()
    finally:
        cluster.drop(url)
