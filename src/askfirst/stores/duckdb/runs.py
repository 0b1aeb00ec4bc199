"""A file of what tells events apart, sorted, in which a batch finds what may be its duplicates.

DuckDB has no index that is small and quick enough: its own takes half of the loading speed and all
memory, and a join over the ids reads a month of them when a batch holds events of a month.

A code is an event's moment and eight bits made of its moment and id, as one number. Different
events of one moment have the same code in one case of 256; so what is found here is compared with
the event that is stored, and what is not found is not stored.

The file: codes in order, BLOCK of them in a block, which is filled up with its last one; each is
written as what it is more than the first of its block, in 4 bytes, or in 8 where the block spans
more than 4 hours. Then the first code of each block, with WIDE added to those of 8 bytes. That is a
little over 4 bytes for an event.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt

from askfirst.stores.base import StoreError

BLOCK = 64  # codes: 256 bytes are read for an event that comes alone
CHUNK = 1 << 15  # codes in memory at a time while files are rewritten: 256 KiB of each
SOUGHT = 1 << 13  # events looked for at a time, so that no more than 16 MiB are read at once
SHIFT = 8  # bits of a code that are not of the moment
WIDE = 1 << 62  # what no code reaches
NARROW = 1 << 32  # what 4 bytes do not hold

Mask: TypeAlias = npt.NDArray[np.bool_]
Moments: TypeAlias = npt.NDArray[np.int64]
Prints: TypeAlias = npt.NDArray[np.uint64]
Codes: TypeAlias = npt.NDArray[np.int64]


def prints(moment: Moments, halves: npt.NDArray[np.int64]) -> Prints:
    """Return 64 bits for each event, of its moment and the two halves of its id."""
    bits = halves.view(np.uint64)
    return mixed(mixed(mixed(moment.view(np.uint64)) + bits[:, 0]) + bits[:, 1])


def mixed(value: Prints) -> Prints:
    """Spread each number over 64 bits (the finaliser of SplitMix64; Steele, Lea, Flood 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return value


def codes(moment: Moments, print_: Prints) -> Codes:
    """Return the code of each event, by its moment and print."""
    low: Codes = (print_ & np.uint64((1 << SHIFT) - 1)).astype(np.int64)
    return (moment << SHIFT) | low


class Run:
    """One such file, of `size` codes. Raises StoreError if it is not there in full, or has not
    the CRC-32 that is given.
    """

    def __init__(self, path: Path, size: int, crc: int | None = None) -> None:
        self.path = path
        self.size = size
        blocks = -(-size // BLOCK)
        damage = StoreError(f"{path} is damaged; it is made anew at the next start")
        try:
            self._file = path.open("rb", buffering=0)
            bytes_ = os.fstat(self._file.fileno()).st_size
            if not size or bytes_ < blocks * 8:
                raise damage
            firsts = np.frombuffer(self._read(bytes_ - blocks * 8, blocks * 8), "<i8")
            self._wide = firsts >= WIDE
            self._firsts = np.where(self._wide, firsts - WIDE, firsts)
            self._places = _places(self._wide)
            whole = bytes_ == int(self._places[-1]) * 4 + blocks * 8
            if not whole or (crc is not None and crc32(self._read(0, bytes_)) != crc):
                raise damage
            self.last = int(self.block(blocks - 1, blocks)[-1])
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        except StoreError:
            self._file.close()
            raise

    @property
    def first(self) -> int:
        """The lowest code."""
        return int(self._firsts[0])

    def close(self) -> None:
        self._file.close()

    def holds(self, sought: Codes) -> Mask:
        """Tell for each code whether it is here. They are sorted."""
        found = np.zeros(len(sought), bool)
        start = np.searchsorted(sought, self.first, "left")
        stop = np.searchsorted(sought, self.last, "right")
        for low in range(int(start), int(stop), SOUGHT):
            part = sought[low : min(low + SOUGHT, int(stop))]
            there = self._around(part)
            at = np.minimum(np.searchsorted(there, part), len(there) - 1)
            found[low : low + len(part)] = there[at] == part
        return found

    def between(self, low: int, high: int) -> Codes:
        """Return the codes from `low` up to, but without, `high`."""
        start = max(int(np.searchsorted(self._firsts, low, "left")) - 1, 0)
        stop = int(np.searchsorted(self._firsts, high, "left"))
        read = self.block(start, stop)
        return read[np.searchsorted(read, low, "left") : np.searchsorted(read, high, "left")]

    def cuts(self) -> list[int]:
        """Return codes that cut all into pieces of about CHUNK."""
        return [int(first) for first in np.unique(self._firsts[:: CHUNK // BLOCK])[1:]]

    def block(self, start: int, stop: int) -> Codes:
        """Return the codes of the blocks from `start` up to `stop`."""
        if stop <= start:
            return np.empty(0, np.int64)
        codes_ = self._decoded(np.arange(start, stop), self._words(start, stop))
        return codes_[: min(stop * BLOCK, self.size) - start * BLOCK]

    def _around(self, sought: Codes) -> Codes:
        """Read the blocks in which the codes may be."""
        needed = np.unique(np.maximum(np.searchsorted(self._firsts, sought, "right") - 1, 0))
        ends = np.flatnonzero(np.diff(needed) > 1)
        starts = needed[np.concatenate([[0], ends + 1])]
        stops = needed[np.concatenate([ends, [len(needed) - 1]])] + 1
        spans = zip(starts.tolist(), stops.tolist(), strict=True)
        return self._decoded(needed, b"".join(self._words(start, stop) for start, stop in spans))

    def _words(self, start: int, stop: int) -> bytearray:
        """Read the blocks from `start` up to `stop`."""
        place, end = int(self._places[start]), int(self._places[stop])
        return self._read(place * 4, (end - place) * 4)

    def _decoded(self, blocks: npt.NDArray[np.intp], raw: bytes | bytearray) -> Codes:
        """Return the codes of some blocks, which lie end to end in `raw`; of the last block of all
        its own last one, too, which fills it up.
        """
        words = np.frombuffer(raw, "<u4")
        found = np.repeat(self._firsts[blocks], BLOCK).reshape(-1, BLOCK)
        wide = self._wide[blocks]
        if not wide.any():
            found += words.reshape(-1, BLOCK)
        else:
            at = _places(wide)[:-1, None] + np.arange(BLOCK)
            found[~wide] += words[at[~wide]]
            at = at[wide] + np.arange(BLOCK)
            found[wide] += words[at].astype(np.int64) | words[at + 1].astype(np.int64) << 32
        codes_: Codes = found.reshape(-1)
        return codes_

    def _read(self, offset: int, size: int) -> bytearray:
        raw = bytearray(size)
        view = memoryview(raw)
        while view:
            step = os.preadv(self._file.fileno(), [view], offset)
            if not step:
                raise StoreError(f"{self.path} ends too early; it is made anew at the next start")
            view, offset = view[step:], offset + step
        return raw


def write(path: Path, pieces: Iterable[Codes], *, sync: bool) -> tuple[int, int]:
    """Write sorted pieces, each behind the one before, to a new file.

    Returns how many codes it has, and its CRC-32. With `sync` it is on disk when this returns.
    """
    firsts: list[npt.NDArray[np.int64]] = []
    size = crc = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for blocks, count in _blocks(pieces):
            first, raw = _encoded(blocks)
            firsts.append(first)
            size += count
            crc = crc32(raw, crc)
            file.write(raw)
        index = np.concatenate([*firsts, np.empty(0, np.int64)]).astype("<i8").data
        crc = crc32(index, crc)
        file.write(index)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    return size, crc


def merged(
    runs: list[Run], gone: Codes | None = None, before: int | None = None
) -> Iterator[Codes]:
    """Yield all codes of some files in order, but those that are `gone` (sorted), each as often as
    it is there, and those below `before`.
    """
    largest = max(runs, key=lambda run: run.size)
    low = min(run.first for run in runs) if before is None else before
    high = max(run.last for run in runs) + 1
    cuts = [low, *(cut for cut in largest.cuts() if low < cut < high), max(low, high)]
    for start, stop in itertools.pairwise(cuts):
        piece = np.sort(np.concatenate([run.between(start, stop) for run in runs]))
        if gone is not None:
            piece = without(piece, gone)
        if len(piece):
            yield piece


def without(codes_: Codes, gone: Codes) -> Codes:
    """Take codes out of others, as often as each is there; both are sorted."""
    number = np.arange(len(codes_)) - np.searchsorted(codes_, codes_, "left")
    times = np.searchsorted(gone, codes_, "right") - np.searchsorted(gone, codes_, "left")
    return codes_[number >= times]


def _blocks(pieces: Iterable[Codes]) -> Iterator[tuple[Codes, int]]:
    """Yield rows of BLOCK codes, and how many are not there only to fill up the last row."""
    left = np.empty(0, np.int64)
    for piece in pieces:
        left = np.concatenate([left, piece])
        whole = len(left) // BLOCK * BLOCK
        if whole:
            yield left[:whole].reshape(-1, BLOCK), whole
        left = left[whole:]
    if len(left):
        yield np.pad(left, (0, BLOCK - len(left)), "edge").reshape(1, BLOCK), len(left)


def _encoded(blocks: Codes) -> tuple[npt.NDArray[np.int64], bytes]:
    """Return the first code of each block, as it is written at the end, and the blocks' bytes."""
    first = blocks[:, 0].copy()
    more = blocks - first[:, None]
    wide = more[:, -1] >= NARROW
    if not wide.any():
        return first, more.astype("<u4").tobytes()
    places = _places(wide)
    at = places[:-1, None] + np.arange(BLOCK)
    words = np.empty(int(places[-1]), "<u4")
    words[at[~wide]] = more[~wide]
    at = at[wide] + np.arange(BLOCK)
    words[at] = more[wide] & (NARROW - 1)
    words[at + 1] = more[wide] >> 32
    return first + np.where(wide, WIDE, 0), words.tobytes()


def _places(wide: Mask) -> npt.NDArray[np.int64]:
    """Return where each block begins, and where the last ends, in units of 4 bytes."""
    return np.concatenate([[0], np.cumsum(np.where(wide, 2, 1) * BLOCK)])
