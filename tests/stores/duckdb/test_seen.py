"""Duplicates are found in files beside the store, whatever happens to these."""

from __future__ import annotations

import numpy as np
import pytest

from askfirst.stores.base import DAY_MS, Loaded
from askfirst.stores.duckdb import runs, sealing, seen
from askfirst.stores.duckdb.runs import Run
from askfirst.stores.opening import open_store
from tests.stores.making import DAY, TOOL, events, hashed


def made(path, codes):
    size, crc = runs.write(path, [np.array(codes, np.int64)], sync=False)
    return Run(path, size, crc)


@pytest.mark.parametrize("spread", [4, 1 << 22, 1 << 40])
@pytest.mark.parametrize("count", [1, runs.BLOCK - 1, runs.BLOCK, runs.BLOCK + 1, 5000])
def test_a_file_holds_what_was_written_and_nothing_else(tmp_path, count, spread, monkeypatch):
    monkeypatch.setattr(runs, "SOUGHT", 1000)
    chance = np.random.default_rng(count)
    codes = np.sort(chance.integers(0, spread * count, count))
    run = made(tmp_path / "run", codes)

    assert run.block(0, -(-count // runs.BLOCK)).tolist() == codes.tolist()
    assert run.holds(codes).all()
    others = np.setdiff1d(np.concatenate([codes - 1, codes + 1]), codes)
    assert not run.holds(others).any()
    some = np.sort(chance.choice(codes, min(count, 9), replace=False))
    assert run.holds(some).all()
    assert (run.first, run.last) == (codes[0], codes[-1])
    between = run.between(int(codes[0]) + 1, int(codes[-1]))
    assert between.tolist() == codes[(codes > codes[0]) & (codes < codes[-1])].tolist()
    run.close()


def test_four_bytes_do_but_where_a_block_spans_much(tmp_path):
    near = np.arange(1 << 16) * 1000
    far = int(near[-1]) + (1 << 40) * np.arange(runs.BLOCK)
    made(tmp_path / "near", near).close()
    run = made(tmp_path / "both", np.concatenate([near, far]))
    size = (tmp_path / "near").stat().st_size
    assert size == (1 << 16) * 4 + (1 << 16) // runs.BLOCK * 8
    assert (tmp_path / "both").stat().st_size == size + runs.BLOCK * 8 + 8
    assert run.between(int(near[-1]) + 1, 1 << 60).tolist() == far[1:].tolist()
    run.close()


def test_files_become_one_in_order_without_what_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "CHUNK", 256)  # so that there are several pieces
    chance = np.random.default_rng(3)
    all_ = chance.permutation(4000).astype(np.int64)
    files = [made(tmp_path / str(start), np.sort(all_[start::3])) for start in range(3)]

    pieces = list(runs.merged(files, gone=np.array([5, 3999])))
    kept = list(runs.merged(files, before=1000))

    assert len(pieces) > 1
    together = np.concatenate(pieces).tolist()
    assert together == [code for code in range(4000) if code not in (5, 3999)]
    assert np.concatenate(kept).tolist() == list(range(1000, 4000))
    for run in files:
        run.close()


def test_a_code_is_taken_out_as_often_as_it_is_gone():
    codes, gone = np.array([1, 2, 2, 2, 3, 4]), np.array([2, 2, 4, 5])
    assert runs.without(codes, gone).tolist() == [1, 2, 3]
    assert runs.without(gone, codes).tolist() == [5]


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


def test_events_of_one_moment_are_told_apart_whatever_their_codes(tmp_path):
    """600 events of a moment have at most 256 codes."""
    store = open_store(tmp_path / "store")
    half, other = (
        events(*({"id": row, "who": row % 5} for row in range(start, 600, 2))) for start in (0, 1)
    )
    assert store.load([half], {}) == Loaded(300, 0)
    assert store.load([other, half], {}) == Loaded(300, 300)
    store.erase(TOOL, hashed(3))
    assert store.check() == []
    assert store.load([half, other], {}) == Loaded(120, 480)
    assert store.load([half, other], {}) == Loaded(0, 600)
    store.close()


def test_a_clock_that_was_far_ahead_for_a_day_takes_no_ids(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ENOUGH", 1)
    store = open_store(tmp_path / "store")
    right = events(*({"id": row, "received": DAY * DAY_MS} for row in range(40)))
    store.load([right], {})
    store.load([events({"id": "wrong", "received": (DAY + 200) * DAY_MS})], {})
    assert not store.scrub()
    assert store.load([right], {}) == Loaded(0, 40)
    store.close()


def test_ids_go_once_no_duplicate_can_come(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ENOUGH", 1)
    store = open_store(tmp_path / "store")
    arrived = {number: (DAY + day) * DAY_MS for number, day in enumerate((0, 31, 91))}
    loads = [
        events(*({"id": (number, row), "who": row % 7, "received": at} for row in range(40)))
        for number, at in arrived.items()
    ]
    for load, is_due in zip(loads, (False, False, True), strict=True):
        assert store.load([load], {}) == Loaded(40, 0)
        assert store.scrub() == is_due
    assert not store.scrub()
    assert store.load([loads[1], loads[2]], {}) == Loaded(0, 80)  # 60 days, and none
    assert store.check() == []

    other = open_store(tmp_path / "other")
    assert other.load(store.events(TOOL), {}) == Loaded(120, 0)
    assert other.load(store.events(TOOL), {}) == Loaded(0, 120)
    ids = {id_ for part in store.events(TOOL) for id_ in part.ids()}
    assert ids > {*loads[1].ids(), *loads[2].ids()}
    assert not ids & {*loads[0].ids()}
    assert {id_[6] >> 4 for id_ in ids - {*loads[1].ids(), *loads[2].ids()}} == {7}
    assert store.digests(TOOL) == other.digests(TOOL)
    other.close()
    assert store.load([loads[0]], {}) == Loaded(40, 0)
    store.close()
    store = open_store(tmp_path / "store")
    assert store.load([loads[0], loads[2]], {}) == Loaded(0, 80)
    store.close()
