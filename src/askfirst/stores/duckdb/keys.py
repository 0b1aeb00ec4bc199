"""A map from 64-bit numbers to keys, for many at a time, in two arrays."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from askfirst.stores.base import Coded
from askfirst.stores.duckdb.runs import Prints, mixed

FULL = 0.6  # of all places; then there is room for twice as many

KeyColumn = npt.NDArray[np.int32]


Column = Sequence["str | bool | None"]
_key = np.uint64(secrets.randbits(64))  # nobody outside can make two installations collide


def hashes(values: Sequence[str]) -> Prints:
    """Return Python's own hash of each: keyed anew in every process, so nobody makes two collide.

    At 10 million entries the chance that any two are taken for one is below one in 100,000.
    """
    if isinstance(values, Coded):
        codes, distinct = coded(values)
        of_code: Prints = hashes(distinct)[codes]
        return of_code
    return np.fromiter(map(hash, values), np.int64, len(values)).view(np.uint64)


def hashes_of_bytes(raw: bytes, width: int) -> Prints:
    """Return a number for every `width` bytes (a multiple of 8), as `hashes` does for texts."""
    words = np.frombuffer(raw, np.uint64).reshape(-1, width // 8)
    result = np.full(len(words), _key)
    for word in range(words.shape[1]):
        result = mixed(result + words[:, word])
    return result


def joined(one: Prints, other: Sequence[int] | npt.NDArray[np.integer[Any]]) -> Prints:
    """Return a number for each pair."""
    return mixed(one ^ mixed(np.asarray(other).astype(np.uint64)))


def coded(column: Column) -> tuple[KeyColumn, list[Any]]:
    """Return a number for each value, and what the numbers stand for."""
    if isinstance(column, Coded):
        lowest = column.codes.min(initial=0)  # -1 where that stands for the last value
        first, place = first_and_place(column.codes.astype(np.int64) - lowest)
        found = column.codes[first].tolist()
        return place.astype(np.int32), [column.values[code] for code in found]
    distinct = list(dict.fromkeys(column))
    places = dict(zip(distinct, range(len(distinct)), strict=True))
    return np.fromiter(map(places.__getitem__, column), np.int32, len(column)), distinct


def first_and_place(
    codes: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return where each distinct number comes first, and for each row which of them it is.

    Numbers are from 0; where they are small this takes a third of what numpy.unique takes.
    """
    size = int(codes.max(initial=0)) + 1
    if size > 4 * len(codes):
        return np.unique(codes, return_index=True, return_inverse=True)[1:]
    at = np.full(size, -1, np.intp)
    at[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    there = np.flatnonzero(at >= 0)
    first = at[there]
    at[there] = np.arange(len(there))
    return first, at[codes]


class Keys:
    """The map, open addressing with linear probing. A key is never 0: that is a free place.

    Three times as quick as a binary search in sorted arrays, at 20 to 40 bytes an entry.
    """

    def __init__(self) -> None:
        self._count = 0
        self._make_room(1 << 12)

    def __len__(self) -> int:
        return self._count

    def find(self, wanted: Prints) -> KeyColumn:
        """Return the key of each, or 0."""
        found = np.zeros(len(wanted), np.int32)
        rows = np.arange(len(wanted))
        at = self._places(wanted)
        while len(rows):
            keys = self._keys[at]
            hit = (self._prints[at] == wanted) & (keys != 0)
            found[rows[hit]] = keys[hit]
            on = ~hit & (keys != 0)
            rows, wanted, at = rows[on], wanted[on], (at[on] + 1) & self._mask
        return found

    def add(self, new: Prints, keys: KeyColumn) -> None:
        """Add entries, distinct ones, that are not there yet."""
        size = self._mask + 1
        while self._count + len(new) > size * FULL:
            size *= 2
        if size > self._mask + 1:
            prints, there = self._prints, self._keys
            self._make_room(size)
            self._put(prints[there != 0], there[there != 0])
        self._put(new, keys)
        self._count += len(new)

    def _put(self, new: Prints, keys: KeyColumn) -> None:
        at = self._places(new)
        while len(new):
            free = np.flatnonzero(self._keys[at] == 0)
            self._prints[at[free]] = new[free]  # of several for one place, one remains
            got = free[self._prints[at[free]] == new[free]]
            self._keys[at[got]] = keys[got]
            left = np.ones(len(new), bool)
            left[got] = False
            new, keys, at = new[left], keys[left], (at[left] + 1) & self._mask

    def _places(self, prints: Prints) -> npt.NDArray[np.int64]:
        places: npt.NDArray[np.int64] = (prints & np.uint64(self._mask)).astype(np.int64)
        return places

    def _make_room(self, size: int) -> None:
        self._mask = size - 1
        self._prints = np.zeros(size, np.uint64)
        self._keys = np.zeros(size, np.int32)
