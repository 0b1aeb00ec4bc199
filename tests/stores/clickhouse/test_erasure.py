"""What is forgotten is gone from the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from askfirst.stores.base import DAY_MS
from askfirst.stores.opening import open_store
from tests.collector.serving import wait_until
from tests.stores.making import DAY, TOOL, events, hashed
from tests.stores.server import started


@pytest.fixture
def server(tmp_path):
    with started(tmp_path) as running:
        yield running


def traces(folder, *words):
    """Return the paths of files that hold one of some words, as bytes or as hex."""
    sought = [form for word in words for form in (word, word.hex().encode())]
    sought += [word.hex().upper().encode() for word in words]
    found = []
    for here, _, names in os.walk(folder):
        for name in names:
            try:
                data = Path(here, name).read_bytes()
            except FileNotFoundError:  # the server removed it meanwhile
                continue
            found += [str(Path(here, name)) for word in sought if word in data]
    return sorted(found)


def crowd(day):
    return [{"id": (day, row), "who": row, "day": day} for row in range(50)]


def active(store):
    """Ask what is answered from sums."""
    [row] = store.query("activity", {"tool": TOOL, "as_of": DAY + 3})
    return row[2]


@pytest.mark.slow  # a server deletes replaced files after some seconds
def test_an_erased_installation_is_in_no_file(server):
    store = open_store(server.new())
    for day in range(3):
        store.load([events(*crowd(day), {"who": "ann", "id": day, "day": day * 30})], {})
    half = hashed(0)[15:7:-1]  # of an event's id, as the server has it
    there = "\n".join(traces(server.folder, hashed("ann")))
    assert "/seen.proj/" in there
    assert "/named.proj/" in there
    wait_until(lambda: traces(server.folder, half))  # a merge may move it while one looks

    assert store.erase(TOOL, hashed("ann")) == 3
    assert store.count(TOOL) == 150
    assert active(store) == 50  # at once, whatever is on the disk still
    assert store.scrub()

    assert traces(server.folder, hashed("ann"), half) == []
    assert store.count(TOOL) == 150
    assert store.check() == []
    assert not store.scrub()
    store.close()


@pytest.mark.slow  # a server deletes replaced files after some seconds
def test_what_is_past_its_retention_is_in_no_file(server):
    store = open_store(server.new())
    first = DAY // 28 * 28 - DAY  # where a partition begins
    old, split = {"who": "old", "day": first - 1}, {"who": "split", "day": first + 3}
    store.load([events(old, split, {"who": "new", "day": first + 10}), events(old, tool="b")], {})
    assert traces(server.folder, hashed("old"))
    assert traces(server.folder, hashed("split"))

    assert store.retain(TOOL, (DAY + first + 5) * DAY_MS) == 2
    assert store.retain("b", (DAY + first + 5) * DAY_MS) == 1
    assert store.scrub()

    assert traces(server.folder, hashed("old"), hashed("split")) == []
    wait_until(lambda: traces(server.folder, hashed("new")))
    assert store.tools() == [TOOL]
    store.close()


@pytest.mark.slow  # a server deletes replaced files after some seconds
def test_an_erasure_that_was_not_scrubbed_before_a_crash_is_scrubbed_after_it(server):
    url = server.new()
    store = open_store(url)
    store.load([events({"who": "ann"}, *crowd(0))], {})
    store.erase(TOOL, hashed("ann"))
    server.kill()
    store.close()
    server.start()

    store = open_store(url)
    assert store.scrub()

    assert traces(server.folder, hashed("ann")) == []
    assert store.count(TOOL) == 50
    store.close()
