"""The loader's side of a log: what is durable, in order, and out of the way once it is loaded.

The log is written by another process, or by this one; both know only the folder and the watermark.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from askfirst.collector import log as writing
from askfirst.collector import private
from askfirst.collector import segment as files
from askfirst.collector.watermark import Watermark
from askfirst.stores.base import DAY_MS, Position, StoreAwayError

ROLL_SECONDS = 5.0  # a writer that does not end its segment within this is not there


class Frame(NamedTuple):
    """A payload, and where the log continues behind it."""

    log: str
    segment: int
    offset: int
    payload: bytes

    @property
    def end(self) -> Position:
        """Where that is."""
        return Position(self.log, self.segment, self.offset)


class Tail:
    """A log in a folder, read from `position` (how far the store has it, or None).

    Opening it brings the folder in order, so nobody may be writing there yet; `roll` asks whoever
    writes later to end the segment. If the store is away, everything is kept, and `is_known` false:
    where to read on has to be asked later. `say` takes one line for the operator. Raises OSError,
    LogError if the log is being written.
    """

    def __init__(
        self, folder: Path, position: Callable[[str], Position | None], say: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.name = writing.prepare(folder)
        self.corrupt = 0  # segments set aside since the start
        self.roll: Callable[[], None] = _nobody
        self._say = say
        self._watermark = Watermark(folder)
        self.is_known = True  # where to read on
        try:
            self.start = position(self.name) or Position(self.name, 0, 0)
        except StoreAwayError:
            self.is_known = False
            if not self._files():
                # the numbers that the store knows are gone with the files that had them
                self.name = writing.prepare(folder, anew=True)
            self.start = Position(self.name, 0, 0)
        self.recover(self.start)

    def recover(self, position: Position, patience: float | None = None) -> None:
        """Bring the folder in order after its writer ended, however it did.

        A torn last frame is cut off, damage is set aside, what the store has is deleted, and the
        mark is set to where writing goes on. `patience` is as of `log.lock`. Raises OSError,
        LogHeld.
        """
        lock = writing.lock(self.folder, patience)
        try:
            for part in self.folder.glob("*.part"):
                part.unlink()
            highest = position.segment
            for number, path in self._files():
                highest = max(highest, number)
                if path.name == files.file_name(number):
                    self._recover_segment(number, path, position)
            self._watermark.set(highest + 1, 0)
            private.sync_folder(self.folder)
        finally:
            os.close(lock)

    def durable(self) -> tuple[int, int]:
        """Return (segment, offset) of the end of what would survive a power cut now."""
        return self._watermark.get()

    def frames(self, after: Position) -> Iterator[Frame]:
        """Yield the durable frames behind `after`. Raises CorruptError where they are damaged."""
        segment, offset = self.durable()
        if after.segment == segment and after.offset >= offset:
            return  # most looks find nothing, so they should cost nothing
        for number, path in self._segments():
            if not after.segment <= number <= segment:
                continue
            start = after.offset if number == after.segment else 0
            end = offset if number == segment else path.stat().st_size
            if start >= end:
                continue
            try:
                for place, payload in files.frames(path, start, end):
                    yield Frame(self.name, number, place, payload)
            except files.TornError as error:  # it was whole once
                raise files.CorruptError(path, error.offset) from error

    def settled(self, position: Position) -> Position:
        """Return `position`, moved over the ends of sealed segments that it has reached."""
        segment, _ = self.durable()
        if position.segment >= segment:
            return position
        for number, path in self._segments():
            if number == position.segment and position.offset < path.stat().st_size:
                return position
            if position.segment < number < segment:
                return Position(self.name, number, 0)
        return Position(self.name, segment, 0)

    def release(self, position: Position) -> None:
        """Delete the segments that lie wholly before `position`, which must be settled."""
        for number, path in self._segments():
            if number < position.segment:
                path.unlink(missing_ok=True)

    def set_aside(self, number: int, offset: int) -> Position:
        """Put a segment found damaged at `offset` out of the way; return where to read on.

        Raises OSError if its writer does not let go of it.
        """
        self.end_segment(number)
        self._put_aside(self.folder / files.file_name(number), 0, offset)  # before it: in the store
        return Position(self.name, number + 1, 0)

    def forget_set_aside(self, now: int) -> None:
        """Delete what was set aside too long before `now` (ms UTC). Raises OSError."""
        files.drop_set_aside(self.folder, now - files.SET_ASIDE_DAYS * DAY_MS)

    def end_segment(self, number: int) -> None:
        """Have the writer end segment `number`, if that is the one it writes. Raises OSError."""
        deadline = time.monotonic() + ROLL_SECONDS
        if self.durable()[0] <= number:
            self.roll()
        while self.durable()[0] <= number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.folder} is written by a process that does not answer")
            time.sleep(0.001)

    def size(self) -> int:
        """Return how many bytes of the log are on the disk."""
        return sum(_size(path) for _, path in self._segments())

    def _segments(self) -> list[tuple[int, Path]]:
        return [row for row in self._files() if row[1].name == files.file_name(row[0])]

    def _files(self) -> list[tuple[int, Path]]:
        numbered = ((files.number_of(path.name), path) for path in self.folder.iterdir())
        return sorted((number, path) for number, path in numbered if number is not None)

    def _recover_segment(self, number: int, path: Path, position: Position) -> None:
        start = position.offset if number == position.segment else 0
        if number < position.segment or path.stat().st_size <= start:
            path.unlink()  # the store has all of it
            return
        state = files.inspect(path, start)
        if state.corrupt:
            self._put_aside(path, state.end, state.end)
        elif state.torn:
            os.truncate(path, state.end)
            with path.open("rb") as file:
                files.sync(file.fileno())
        if state.end <= max(start, files.HEADER_BYTES):
            path.unlink(missing_ok=True)

    def _put_aside(self, path: Path, good: int, offset: int) -> None:
        aside = files.set_aside(path, good)
        self.corrupt += 1
        self._say(
            f"{path.name} is damaged at byte {offset}; its rest is kept as {aside}, unread, for "
            f"{files.SET_ASIDE_DAYS} days or until an installation is erased"
        )
        files.blank(aside, offset)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _nobody() -> None:
    """Stand in for a writer where there is none."""
