"""A store that an older askfirst made is brought up to date, and nothing in it is lost."""

from __future__ import annotations

from array import array
from pathlib import Path

import duckdb
import pytest

from askfirst.stores.base import Events, Loaded, Position
from askfirst.stores.duckdb import sql
from askfirst.stores.opening import open_store

HERE = Path(__file__).parent
OLD = sorted(HERE.glob("schema_*.sql"))


@pytest.fixture(params=OLD, ids=[path.stem for path in OLD])
def old(request, tmp_path):
    with duckdb.connect(str(tmp_path / "store")) as connection:
        connection.execute(request.param.read_text())
    return tmp_path / "store"


def again():
    """The same three events, from the collector's side."""
    made = Events("stratus")
    halves = [(1, 2), (-1, -2), (3, 4)]
    made.id = bytearray(
        b"".join(n.to_bytes(8, "big", signed=True) for pair in halves for n in pair)
    )
    made.timestamp = array("q", [1728000000000, 1728000000001, 1728000000002])
    made.received = made.timestamp[:]
    made.installation = bytearray(b"\xaa" * 32 + b"\xbb" * 64)
    made.version, made.command = ["1.0.0"] * 3, ["start"] * 3
    made.fields = {"runtime": ["2.0.0", "2.0.0", None], "application.name": ["a-name", None, None]}
    return made


def test_every_earlier_version_has_a_store_to_be_tried_on():
    assert [path.stem for path in OLD] == [f"schema_{n:04}" for n, *_ in sql.migrations()[:-1]]


def test_an_older_store_keeps_what_it_has(old):
    store = open_store(old)
    [events] = store.events("stratus")
    same = again()
    assert events.ids() == same.ids()
    assert events.installations() == same.installations()
    assert events.rows_of_fields() == same.rows_of_fields()
    assert store.position("log") == Position("log", 7, 99)
    assert store.query("quality", {"tool": "stratus", "as_of": 20_000}) == [(20_000, "stored", 3)]
    assert store.check() == []

    assert store.load([again()], {}) == Loaded(0, 3)
    assert store.erase("stratus", b"\xbb" * 32) == 2
    assert store.scrub() is True
    assert store.load([again()], {}) == Loaded(2, 1)
    assert store.check() == []
    store.close()
    with duckdb.connect(str(old)) as connection:
        found = connection.execute("SELECT number FROM migrations ORDER BY number").fetchall()
    assert found == [(number,) for number, _, _ in sql.migrations()]
