"""A map from 64-bit numbers to keys, in two sorted arrays: 12 bytes an entry, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from askfirst.stores.duckdb.runs import Prints, mixed

RECENT = 1 << 16  # entries that are kept apart, so that one more does not move all

KeyColumn = npt.NDArray[np.int32]


def hashes(values: Sequence[object]) -> Prints:
    """Return Python's own hash of each: keyed anew in every process, so nobody makes two collide.

    At 10 million entries the chance that any two are taken for one is below one in 100,000.
    """
    return np.fromiter(map(hash, values), np.int64, len(values)).view(np.uint64)


def joined(one: Prints, other: Iterable[int] | KeyColumn) -> Prints:
    """Return a number for each pair."""
    return mixed(one ^ mixed(np.asarray(other).astype(np.uint64)))


class Keys:
    """The map. A key is never 0, which stands for "not there"."""

    def __init__(self) -> None:
        self._levels = [_empty(), _empty()]  # many, recent

    def __len__(self) -> int:
        return sum(len(known) for known, _ in self._levels)

    def find(self, wanted: Prints) -> KeyColumn:
        """Return the key of each, or 0."""
        found = np.zeros(len(wanted), np.int32)
        for known, keys in self._levels:
            if len(known):
                at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
                found = np.where(known[at] == wanted, keys[at], found)
        return found

    def add(self, new: Prints, keys: KeyColumn) -> None:
        """Add entries that are not there yet."""
        self._levels[1] = _with(self._levels[1], new, keys)
        if len(self._levels[1][0]) > RECENT:
            self._levels = [_with(self._levels[0], *self._levels[1]), _empty()]


def _empty() -> tuple[Prints, KeyColumn]:
    return np.empty(0, np.uint64), np.empty(0, np.int32)


def _with(
    there: tuple[Prints, KeyColumn], new: Prints, keys: KeyColumn
) -> tuple[Prints, KeyColumn]:
    order = np.argsort(new)
    at = np.searchsorted(there[0], new[order])
    return np.insert(there[0], at, new[order]), np.insert(there[1], at, keys[order])
