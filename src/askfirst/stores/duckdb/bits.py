"""Answers from bits: one for each day and installation, set if the installation was active.

A year of 200,000 installations is 10 MB, which numpy goes through in milliseconds; in SQL the same
answers take seconds, from events or from rows of (installation, day).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

CHUNK = 2048  # bytes: of 16,384 installations; see migrations/0003_sealed.sql
SLICE = 512  # words of a day looked at together: with 400 days 1.6 MB, which a cache holds
LONGEST_GAP = 28  # days

Words: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = "list[tuple[object, ...]]"


@dataclass(frozen=True, slots=True)
class Bits:
    """`words` has a row for each of `day` (since 1970-01-01 UTC, in order): a bit for each
    installation, in no particular order but the same in all.
    """

    day: npt.NDArray[np.int64]
    words: Words

    @classmethod
    def of(cls, table: pa.Table) -> Bits:
        """Read rows of (sealed, chunk, day, bits)."""
        day, row = np.unique(numbers(table["day"], np.int32), return_inverse=True)
        chunk, column = np.unique(numbers(table["chunk"], np.int32), return_inverse=True)
        words = np.zeros((len(day), len(chunk), CHUNK // 8), np.uint64)
        given = _words(table["bits"].combine_chunks())
        sealed = numbers(table["sealed"], np.int8)
        for kind in (sealed == 1, sealed == 0):  # of each kind there is one row for a day and chunk
            words[row[kind], column[kind]] |= given[kind]
        return cls(day.astype(np.int64), words.reshape(len(day), -1))

    def between(self, first: int, last: int) -> Words:
        """Return the rows of the days from `first` to `last`."""
        start, stop = np.searchsorted(self.day, [first, last + 1])
        return self.words[start:stop]


def activity(parts: Iterator[Bits], as_of: int) -> Rows:
    """Return one row: daily, weekly, monthly, regular, new, lost, and the first day (or None).

    As questions/active.py takes them.
    """
    counts = np.zeros(6, np.int64)
    firsts = []
    for bits in parts:
        trailing = bits.between(as_of - 27, as_of)
        month = _any(trailing)
        before = _any(bits.between(-(1 << 40), as_of - 28))
        month_before = _any(bits.between(as_of - 55, as_of - 28))
        found = (
            _any(bits.between(as_of, as_of)),
            _any(bits.between(as_of - 6, as_of)),
            month,
            _four(trailing),
            month & ~before,
            month_before & ~month,
        )
        counts += [_count(one) for one in found]
        firsts += bits.day[bits.day <= as_of][:1].tolist()
    return [(*counts.tolist(), min(firsts, default=None))]


def active_days(parts: Iterator[Bits], first: int, as_of: int) -> Rows:
    """Return rows of (day, gap, n): on `day`, n installations were active whose next active day
    came `gap` days later; a gap is 28 when it is longer, or when no day follows.
    """
    length = as_of - first + 1
    n = np.zeros((length, LONGEST_GAP + 1), np.int64)
    for bits in parts:
        there = (bits.day >= first) & (bits.day <= as_of)
        for start in range(0, bits.words.shape[1], SLICE):
            some = bits.words[there, start : start + SLICE]
            days = np.zeros((length, some.shape[1]), np.uint64)
            days[bits.day[there] - first] = some
            _add_gaps(n, days)
    day, gap = np.nonzero(n)
    return list(zip((first + day).tolist(), gap.tolist(), n[day, gap].tolist(), strict=True))


def retention(parts: Iterator[Bits], as_of: int) -> Rows:
    """Return rows of (first, after, n): of the installations first seen in week `first`, n were
    active `after` weeks later. Weeks are counted from the ISO week of 1970-01-01, a Thursday.
    """
    found: dict[tuple[int, int], int] = {}
    for bits in parts:
        until = bits.between(-(1 << 40), as_of)
        if not len(until):
            continue
        week, start = np.unique((bits.day[: len(until)] + 3) // 7, return_index=True)
        active = np.bitwise_or.reduceat(until, start, axis=0)
        known = np.zeros_like(active[0])
        for at, first in enumerate(week.tolist()):
            cohort = active[at] & ~known
            known |= active[at]
            sizes = np.bitwise_count(active[at:] & cohort).sum(axis=1, dtype=np.int64)
            if sizes[0]:
                for later, n in zip(week[at:].tolist(), sizes.tolist(), strict=True):
                    found[first, later - first] = found.get((first, later - first), 0) + n
    return [(*key, n) for key, n in sorted(found.items()) if n]


def numbers(column: pa.ChunkedArray | pa.Array, kind: type[np.integer[Any]]) -> npt.NDArray[Any]:
    """Return a column of numbers, none of them null. pyarrow's own way imports pandas: 0.4 s."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not len(whole):
        return np.empty(0, kind)
    size = np.dtype(kind).itemsize
    return np.frombuffer(whole.buffers()[1], kind, len(whole), whole.offset * size)


def _add_gaps(n: npt.NDArray[np.int64], days: Words) -> None:
    """Take from each day, gap by gap, those who come next then; who is left comes much later."""
    left = days.copy()
    for gap in range(1, min(LONGEST_GAP, len(days))):
        came = left[:-gap] & days[gap:]
        n[:-gap, gap] += np.bitwise_count(came).sum(axis=1, dtype=np.int64)
        left[:-gap] ^= came
    n[:, LONGEST_GAP] += np.bitwise_count(left).sum(axis=1, dtype=np.int64)


def _any(rows: Words) -> Words:
    found: Words = np.bitwise_or.reduce(rows, axis=0)
    return found


def _four(rows: Words) -> Words:
    """Return the bits that at least four rows have: counted in binary, all bits at a time."""
    ones, twos, fours = (np.zeros(rows.shape[1], np.uint64) for _ in range(3))
    for row in rows:
        carry = ones & row
        ones ^= row
        fours |= twos & carry
        twos ^= carry
    return fours


def _count(words: Words) -> int:
    return int(np.bitwise_count(words).sum(dtype=np.int64))


def _words(part: pa.Array) -> Words:
    """Return a row of words for each value of CHUNK bytes, without a copy."""
    if not len(part):
        return np.empty((0, CHUNK // 8), np.uint64)
    kind = np.int64 if pa.types.is_large_binary(part.type) else np.int32
    first = int(np.frombuffer(part.buffers()[1], kind)[part.offset])
    raw: Any = np.frombuffer(part.buffers()[2], np.uint64, len(part) * CHUNK // 8, first)
    words: Words = raw.reshape(len(part), -1)
    return words
