"""Duplicates are found in files beside the store, whatever happens to these."""

from __future__ import annotations

import numpy as np
import pytest

from askfirst.stores.base import Loaded
from askfirst.stores.duckdb import runs, seen
from askfirst.stores.duckdb.runs import Run
from askfirst.stores.opening import open_store
from tests.stores.making import TOOL, events, hashed


def made(path, moments, prints=None, **options):
    moments = np.array(moments, np.int64)
    prints = np.arange(1, len(moments) + 1, dtype=np.uint64) if prints is None else prints
    size, crc = runs.write(path, [runs.records(moments, prints)], sync=False, **options)
    return Run(path, size, crc)


@pytest.mark.parametrize("count", [1, runs.BLOCK - 1, runs.BLOCK, runs.BLOCK + 1, 5000])
def test_a_file_holds_what_was_written_and_nothing_else(tmp_path, count, monkeypatch):
    monkeypatch.setattr(runs, "SOUGHT", 1000)
    chance = np.random.default_rng(count)
    moments = np.sort(chance.integers(0, 4 * count, count))
    prints = chance.integers(1, 1 << 63, count).astype(np.uint64)
    run = made(tmp_path / "run", moments, prints)

    assert run.holds(moments, prints).all()
    assert not run.holds(moments, prints + np.uint64(1)).any()
    later = np.sort(moments + 1)
    assert not run.holds(later, prints).any() or set(later) & set(moments)
    some = np.sort(chance.choice(count, min(count, 9), replace=False))
    assert run.holds(moments[some], prints[some]).all()
    assert (run.first, run.last) == (moments[0], moments[-1])
    between = run.between(int(moments[0]) + 1, int(moments[-1]))
    inside = (moments > moments[0]) & (moments < moments[-1])
    assert between["print"].tolist() == prints[inside].tolist()
    run.close()


def test_a_clock_that_stands_still_costs_no_duplicate_and_no_time_without_end(tmp_path):
    moments = np.full(3000, 7)
    prints = np.arange(1, 3001, dtype=np.uint64)
    run = made(tmp_path / "run", moments, prints)

    assert run.holds(moments, prints[::-1].copy()).all()
    assert not run.holds(moments, prints + np.uint64(5000)).any()
    run.close()


def test_files_become_one_in_order_without_what_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 256)  # so that there are several pieces
    chance = np.random.default_rng(3)
    all_ = chance.permutation(4000).astype(np.int64)
    parts = [np.sort(all_[start::3]) for start in range(3)]
    files = [made(tmp_path / str(n), part, part.view(np.uint64)) for n, part in enumerate(parts)]

    gone = np.array([5, 3999], np.uint64)
    pieces = list(runs.merged(files, gone=gone))
    kept = list(runs.merged(files, before=1000))

    assert len(pieces) > 1
    together = np.concatenate(pieces)["moment"].tolist()
    assert together == [moment for moment in range(4000) if moment not in (5, 3999)]
    assert np.concatenate(kept)["moment"].tolist() == list(range(1000, 4000))
    for run in files:
        run.close()


def rows(load, count=40):
    return events(
        *({"id": (load, row), "who": row, "ms": load * 1000 + row} for row in range(count))
    )


def names(path):
    return sorted(file.name for file in path.with_name(path.name + seen.SUFFIX).iterdir())


def test_many_loads_leave_few_files_that_know_every_event(tmp_path):
    store = open_store(tmp_path / "store")
    for load in range(20):
        assert store.load([rows(load)], {}) == Loaded(40, 0)
    assert len(names(tmp_path / "store")) < seen.FAN
    for load in range(20):
        assert store.load([rows(load)], {}) == Loaded(0, 40)
    assert store.check() == []
    store.close()


@pytest.mark.parametrize("damage", ["missing", "short", "flipped", "all"])
def test_a_file_that_is_damaged_is_made_anew(tmp_path, damage):
    store = open_store(tmp_path / "store")
    store.load([rows(1), events({"id": 1}, tool="other")], {})
    store.load([rows(2)], {})
    store.close()
    folder = tmp_path / ("store" + seen.SUFFIX)
    one, *others = folder.iterdir()
    if damage == "short":
        one.write_bytes(one.read_bytes()[:-1])
    elif damage == "flipped":
        one.write_bytes(one.read_bytes()[:-1] + b"?")
    else:
        for file in [one, *others] if damage == "all" else [one]:
            file.unlink()

    store = open_store(tmp_path / "store")
    assert len(store.check()) == (3 if damage == "all" else 1)
    assert store.load([rows(2), rows(1), rows(3)], {}) == Loaded(40, 80)
    assert store.load([events({"id": 1}, tool="other")], {}) == Loaded(0, 1)
    assert store.check() == []
    store.close()


def test_files_of_a_load_that_failed_are_not_taken_for_others(tmp_path, monkeypatch):
    store = open_store(tmp_path / "store")
    store.load([rows(1)], {})

    def fails(*_):
        raise KeyError("boom")

    with monkeypatch.context() as patched:
        patched.setattr(store, "_add_counts", fails)
        with pytest.raises(KeyError):
            store.load([rows(2)], {})
    assert store.load([rows(2)], {}) == Loaded(40, 0)
    assert store.load([rows(2), rows(1)], {}) == Loaded(0, 80)
    assert store.check() == []
    store.close()
    assert len(names(tmp_path / "store")) == 2


def test_an_older_copy_that_is_put_back_is_not_confused(tmp_path):
    """Its list names files that are there no more, or are not its own."""
    place = tmp_path / "store"
    store = open_store(place)
    store.load([rows(1)], {})
    store.close()
    old = place.read_bytes()
    store = open_store(place)
    store.load([rows(2)], {})
    store.close()
    place.write_bytes(old)

    store = open_store(place)
    assert store.load([rows(1), rows(2)], {}) == Loaded(40, 40)
    store.close()


def test_events_out_of_order_by_months_and_twice(tmp_path):
    chance = np.random.default_rng(5)
    days = chance.permutation(400)
    store = open_store(tmp_path / "store")
    made_ = [
        events(*({"id": int(day), "day": int(day), "who": int(day % 7)} for day in part))
        for part in np.array_split(days, 9)
    ]
    for part in made_:
        assert store.load([part], {}) == Loaded(len(part), 0)
    for part in made_:
        assert store.load([part], {}) == Loaded(0, len(part))
    store.erase(TOOL, hashed(3))
    again = [store.load([part], {}).stored for part in made_]
    assert sum(again) == sum(1 for day in range(400) if day % 7 == 3)
    store.close()
