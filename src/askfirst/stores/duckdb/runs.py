"""A file of what tells events apart, sorted, in which a batch finds its duplicates.

DuckDB has no index that is small and quick enough: its own takes half of the loading speed and all
memory, and a join over the ids reads a month of them when a batch holds events of a month.

The file: records of a moment and a print, sorted by moment, then the moment of each block's first
record. A print is 64 bits made of moment and id; two events with the same moment and print are one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias
from zlib import crc32

import numpy as np
import numpy.typing as npt

from askfirst.stores.base import StoreError

BLOCK = 64  # records: 1 KiB is read for an event that comes alone
CHUNK = 1 << 15  # records in memory at a time while files are rewritten: 512 KiB of each
RECORD = np.dtype([("moment", "<i8"), ("print", "<u8")])
SOUGHT = 1 << 13  # events looked for at a time, so that no more than 16 MiB are read at once
FEW = 8  # events of one moment that are compared one by one

Records: TypeAlias = npt.NDArray[np.void]
Mask: TypeAlias = npt.NDArray[np.bool_]
Moments: TypeAlias = npt.NDArray[np.int64]
Prints: TypeAlias = npt.NDArray[np.uint64]


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


def records(moment: Moments, print_: Prints) -> Records:
    """Return records of events that are sorted by moment."""
    made = np.empty(len(moment), RECORD)
    made["moment"] = moment
    made["print"] = print_
    return made


class Run:
    """One such file, of `size` records. Raises StoreError if it is not there in full, or has not
    the CRC-32 that is given.
    """

    def __init__(self, path: Path, size: int, crc: int | None = None) -> None:
        self.path = path
        self.size = size
        blocks = -(-size // BLOCK)
        try:
            self._file = path.open("rb", buffering=0)
            bytes_ = os.fstat(self._file.fileno()).st_size
            if not size or bytes_ != size * RECORD.itemsize + blocks * 8:
                self._file.close()
                raise StoreError(f"{path} is damaged; it is made anew at the next start")
            self._firsts = self._read(size * RECORD.itemsize, np.dtype("<i8"), blocks)
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from error
        if crc is not None and crc32(os.pread(self._file.fileno(), bytes_, 0)) != crc:
            self._file.close()
            raise StoreError(f"{path} is damaged; it is made anew at the next start")
        self.last = int(self.block(blocks - 1, blocks)["moment"][-1])

    @property
    def first(self) -> int:
        """The earliest moment, ms UTC."""
        return int(self._firsts[0])

    def close(self) -> None:
        self._file.close()

    def holds(self, moment: Moments, print_: Prints) -> Mask:
        """Tell for each event whether it is here. `moment` is sorted."""
        found = np.zeros(len(moment), bool)
        start = np.searchsorted(moment, self.first, "left")
        stop = np.searchsorted(moment, self.last, "right")
        for low in range(int(start), int(stop), SOUGHT):
            high = min(low + SOUGHT, int(stop))
            sought = moment[low:high]
            found[low:high] = _held(self._around(sought), sought, print_[low:high])
        return found

    def between(self, low: int, high: int) -> Records:
        """Return the records from the moment `low` up to, but without, `high`."""
        start = max(int(np.searchsorted(self._firsts, low, "left")) - 1, 0)
        stop = int(np.searchsorted(self._firsts, high, "left"))
        read = self.block(start, stop)
        moment = np.ascontiguousarray(read["moment"])
        return read[np.searchsorted(moment, low, "left") : np.searchsorted(moment, high, "left")]

    def cuts(self) -> list[int]:
        """Return moments that cut the records into pieces of about CHUNK."""
        return [int(first) for first in np.unique(self._firsts[:: CHUNK // BLOCK])[1:]]

    def block(self, start: int, stop: int) -> Records:
        """Return the records of the blocks from `start` up to `stop`."""
        count = min(stop * BLOCK, self.size) - start * BLOCK
        return self._read(start * BLOCK * RECORD.itemsize, RECORD, max(count, 0))

    def _around(self, sought: Moments) -> Records:
        """Read the blocks in which records of the moments may be."""
        starts = np.maximum(np.searchsorted(self._firsts, sought, "left") - 1, 0)
        stops = np.searchsorted(self._firsts, sought, "right")
        depth = np.zeros(len(self._firsts) + 1, np.int64)
        np.add.at(depth, starts, 1)
        np.add.at(depth, stops, -1)
        needed = np.flatnonzero(np.diff(np.cumsum(depth) > 0, prepend=False))
        spans = [
            (start * BLOCK, min(stop * BLOCK, self.size))
            for start, stop in needed.reshape(-1, 2).tolist()
        ]
        raw = bytearray(sum(stop - start for start, stop in spans) * RECORD.itemsize)
        done = 0
        for start, stop in spans:
            size = (stop - start) * RECORD.itemsize
            self._fill(memoryview(raw)[done : done + size], start * RECORD.itemsize)
            done += size
        return np.frombuffer(raw, RECORD)

    def _read(self, offset: int, kind: np.dtype[Any], count: int) -> npt.NDArray[Any]:
        raw = bytearray(count * kind.itemsize)
        self._fill(memoryview(raw), offset)
        return np.frombuffer(raw, kind)

    def _fill(self, view: memoryview, offset: int) -> None:
        while view:
            step = os.preadv(self._file.fileno(), [view], offset)
            if not step:
                raise StoreError(f"{self.path} ends too early; it is made anew at the next start")
            view, offset = view[step:], offset + step


def write(path: Path, pieces: Iterable[Records], *, sync: bool) -> tuple[int, int]:
    """Write sorted pieces, each behind the one before, to a new file.

    Returns how many records it has, and its CRC-32. With `sync` it is on disk when this returns.
    """
    firsts: list[npt.NDArray[np.int64]] = []
    size = crc = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for piece in pieces:
            firsts.append(piece["moment"][-size % BLOCK :: BLOCK].copy())
            size += len(piece)
            crc = crc32(piece.data, crc)
            file.write(piece.data)
        last = np.concatenate([*firsts, np.empty(0, np.int64)]).astype("<i8").data
        crc = crc32(last, crc)
        file.write(last)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    return size, crc


def merged(
    runs: list[Run], gone: Prints | None = None, before: int | None = None
) -> Iterator[Records]:
    """Yield all records of some files in order, but those of the prints `gone`, and those whose
    moment is before `before`.
    """
    largest = max(runs, key=lambda run: run.size)
    low = min(run.first for run in runs) if before is None else before
    high = max(run.last for run in runs) + 1
    cuts = [low, *(cut for cut in largest.cuts() if low < cut < high), max(low, high)]
    for start, stop in itertools.pairwise(cuts):
        piece = np.concatenate([run.between(start, stop) for run in runs])
        if gone is not None:
            piece = piece[~np.isin(piece["print"], gone)]
        if len(piece):
            yield piece[np.argsort(piece["moment"], kind="stable")]


def _held(there: Records, sought: Moments, print_: Prints) -> Mask:
    """Tell which of the sought are among records sorted by moment."""
    moment = np.ascontiguousarray(there["moment"])
    found = np.zeros(len(sought), bool)
    place = np.searchsorted(moment, sought, "left")
    open_ = np.arange(len(sought))
    for step in range(FEW):
        at = place[open_] + step
        inside = at < len(moment)
        open_, at = open_[inside], at[inside]
        same = moment[at] == sought[open_]
        open_, at = open_[same], at[same]
        hit = there["print"][at] == print_[open_]
        found[open_[hit]] = True
        open_ = open_[~hit]
        if not len(open_):
            return found
    found[open_] = np.isin(print_[open_], there["print"])  # a clock that stands still
    return found
