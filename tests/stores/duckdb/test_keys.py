from __future__ import annotations

import numpy as np
import pytest

from askfirst.stores.duckdb.keys import (
    Keys,
    coded,
    first_and_place,
    hashes,
    hashes_of_bytes,
    joined,
)


def test_what_was_added_is_found_and_nothing_else():
    chance = np.random.default_rng(1)
    prints = np.unique(chance.integers(0, 1 << 63, 20_000).astype(np.uint64))
    keys = np.arange(1, len(prints) + 1, dtype=np.int32)
    known = Keys()
    for start in range(0, len(prints), 777):
        known.add(prints[start : start + 777], keys[start : start + 777])

    assert len(known) == len(prints)
    assert known.find(prints).tolist() == keys.tolist()
    assert not known.find(prints + np.uint64(1))[~np.isin(prints + np.uint64(1), prints)].any()
    assert known.find(prints[:0]).tolist() == []


def test_entries_for_one_place_find_another():
    """4,096 places at first: all of these want the same."""
    prints = (np.arange(50, dtype=np.uint64) << np.uint64(40)) + np.uint64(4095)
    known = Keys()
    known.add(prints, np.arange(1, 51, dtype=np.int32))

    assert known.find(prints).tolist() == list(range(1, 51))
    assert known.find(np.array([0], np.uint64)).tolist() == [0]


def test_hashes_tell_values_apart():
    texts = [str(number) for number in range(10_000)]
    raw = b"".join(number.to_bytes(32, "big") for number in range(10_000))

    assert len(set(hashes(texts).tolist())) == 10_000
    assert hashes(texts[:3]).tolist() == hashes(texts)[:3].tolist()
    assert len(set(hashes_of_bytes(raw, 32).tolist())) == 10_000
    pairs = joined(hashes(["a"] * 1000), range(1000))
    assert len(set(pairs.tolist())) == 1000


def test_a_column_is_coded():
    codes, distinct = coded(["a", None, True, "a", False, "True"])

    assert [distinct[code] for code in codes] == ["a", None, True, "a", False, "True"]


@pytest.mark.parametrize("scale", [1, 1 << 40])
def test_distinct_numbers_have_a_first_row(scale):
    first, place = first_and_place(np.array([3, 1, 3, 0, 1], np.int64) * scale)

    assert sorted(first.tolist()) == [0, 1, 3]
    assert first[place].tolist() == [0, 1, 0, 3, 1]
    assert first_and_place(np.empty(0, np.int64))[1].tolist() == []
