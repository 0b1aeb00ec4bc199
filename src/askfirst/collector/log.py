"""The append-only log: what the collector has acknowledged lies here until the store has it.

One thread writes. Requests that arrive while it waits for an fsync share the next one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING

from askfirst.collector import private
from askfirst.collector import segment as files
from askfirst.stores.base import Position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

SEGMENT_BYTES = 64 * 1024 * 1024
WAITING_BYTES = 64 * 1024 * 1024
NAME_FILE = "name"


class LogError(Exception):
    """The log cannot take this now; the sender keeps it and tries later."""

    retry_after = 10  # seconds


class LogFull(LogError):  # noqa: N818 - the condition is its name
    """More bytes wait to be written than the log will hold in memory."""

    retry_after = 2


class LogUnavailable(LogError):  # noqa: N818
    """The disk refused: it is full, or it failed."""

    retry_after = 30


class LogClosed(LogError):  # noqa: N818
    """The collector is stopping."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A payload, and where the log continues behind it."""

    end: Position
    payload: bytes


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    end: int  # bytes known to be on the medium
    sealed: bool = False
    damaged: bool = False


@dataclass(slots=True)
class _Waiting:
    frame: bytes
    seal: bool
    future: asyncio.Future[Position]
    loop: asyncio.AbstractEventLoop


def prepare(folder: Path) -> str:
    """Make the folder of a log if need be, and return the log's name.

    The name is random and stays with the folder, so that a store can tell the logs of several
    collectors apart. Raises OSError.
    """
    private.make_folder(folder)
    path = folder / NAME_FILE
    try:
        name = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        name = ""
    if not name:
        name = secrets.token_hex(8)
        private.write(path, name + "\n")
    return name


class Log:
    """An append-only log in a folder of its own.

    `position` is how far the store has loaded it, or None; `say` takes one line for the operator.
    Sizes in bytes. Raises OSError if the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        position: Position | None,
        say: Callable[[str], None],
        *,
        segment_bytes: int = SEGMENT_BYTES,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        self.name = prepare(folder)
        self.corrupt = 0  # segments set aside since the start
        self._folder = folder
        self._say = say
        self._segment_bytes = segment_bytes
        self._waiting_limit = waiting_bytes
        self._lock = Lock()
        self._arrived = Condition(self._lock)
        self._durable = Condition(self._lock)
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._closing = False
        self._segments: dict[int, _Segment] = {}
        self._active: _Segment | None = None
        self._descriptor = -1
        self._next = 1
        self._start = position or Position(self.name, 0, 0)
        self._recover(self._start)
        self._writer = Thread(target=self._write_all, name="askfirst-log", daemon=True)
        self._writer.start()

    # The door's side

    def append(self, payload: bytes, *, seal: bool = False) -> asyncio.Future[Position]:
        """Append a payload; the future resolves, after an fsync, to where the log continues.

        With `seal` the payload is the last of its segment. Raises LogFull or LogClosed; the future
        raises LogUnavailable.
        """
        loop = asyncio.get_running_loop()
        frame = files.frame(payload)
        with self._lock:
            if self._closing:
                raise LogClosed("the collector is stopping; try again")
            if self._waiting_bytes and self._waiting_bytes + len(frame) > self._waiting_limit:
                raise LogFull("more arrives than the disk can take; try again")
            entry = _Waiting(frame, seal, loop.create_future(), loop)
            self._waiting.append(entry)
            self._waiting_bytes += len(frame)
            self._arrived.notify()
        return entry.future

    def durable(self) -> Position:
        """Return the end of what would survive a power cut now."""
        with self._lock:
            return self._end()

    def close(self) -> None:
        """Write what waits, then stop writing; what is there can still be read."""
        with self._lock:
            self._closing = True
            self._arrived.notify()
        self._writer.join()

    # The loader's side

    def frames(self, after: Position) -> Iterator[Frame]:
        """Yield the durable frames behind `after`. Raises CorruptError where they are damaged."""
        with self._lock:
            segments = [
                (row.number, row.path, row.end)
                for row in self._segments.values()
                if row.number >= after.segment
            ]
        for number, path, end in segments:
            start = after.offset if number == after.segment else 0
            if start >= end:
                continue
            try:
                for offset, payload in files.frames(path, start, end):
                    yield Frame(Position(self.name, number, offset), payload)
            except files.TornError as error:  # it was whole once
                raise files.CorruptError(path, error.offset) from error

    def wait(self, after: Position, timeout: float) -> None:
        """Wait until there is more behind `after`, or `wake` is called, or `timeout` seconds."""
        with self._lock:
            if not self._closing and _place(self._end()) <= _place(after):
                self._durable.wait(timeout)

    def wake(self) -> None:
        """End every `wait`."""
        with self._lock:
            self._durable.notify_all()

    def release(self, loaded: Position) -> None:
        """Delete the sealed segments that lie wholly before `loaded`."""
        with self._lock:
            done = [
                row
                for row in self._segments.values()
                if row.sealed and (row.number, row.end) <= _place(loaded)
            ]
        for row in done:
            row.path.unlink(missing_ok=True)
            with self._lock:
                del self._segments[row.number]

    def set_aside(self, number: int, offset: int) -> Position:
        """Put a segment found damaged at `offset` out of the way; return where to read on."""
        with self._lock:
            row = self._segments[number]
            row.damaged = True  # the writer begins another one
        self._put_aside(row.path, 0, offset)
        with self._lock:
            del self._segments[number]
        return Position(self.name, number + 1, 0)

    def size(self) -> int:
        """Return how many bytes of the log are on the disk."""
        with self._lock:
            return sum(row.end for row in self._segments.values())

    def waiting(self) -> int:
        """Return how many bytes wait to be written."""
        with self._lock:
            return self._waiting_bytes

    # At the start

    def _recover(self, position: Position) -> None:
        for part in self._folder.glob("*.part"):
            part.unlink()
        highest = position.segment
        for path in sorted(self._folder.iterdir()):
            number = files.number_of(path.name)
            if number is None:
                continue
            highest = max(highest, number)
            if path.name == files.file_name(number):
                self._recover_segment(number, path, position)
        self._next = highest + 1
        private.sync_folder(self._folder)

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
        if state.end > max(start, files.HEADER_BYTES):
            self._segments[number] = _Segment(number, path, state.end, sealed=True)
        else:
            path.unlink(missing_ok=True)

    def _put_aside(self, path: Path, good: int, offset: int) -> None:
        aside = files.set_aside(path, good)
        self.corrupt += 1
        self._say(f"{path.name} is damaged at byte {offset}; its rest is kept as {aside}, unread")

    # The writer's thread

    def _write_all(self) -> None:
        while batch := self._take():
            self._settle(batch, self._write(batch))
        self._seal()
        self.wake()

    def _take(self) -> list[_Waiting]:
        """Wait for something to write; [] when there will be nothing more."""
        with self._lock:
            while not self._waiting and not self._closing:
                self._arrived.wait()
            count = next((n for n, row in enumerate(self._waiting, 1) if row.seal), None)
            batch, self._waiting = (
                self._waiting[:count],
                self._waiting[count or len(self._waiting) :],
            )
            return batch

    def _write(self, batch: Sequence[_Waiting]) -> Sequence[Position] | LogUnavailable:
        """Bring a batch to the medium; return where the log continues behind each of it."""
        try:
            active = self._active
            if active is None or active.damaged:
                self._seal()
                active = self._begin()
        except OSError as error:
            return _refusal(error)
        end = active.end
        try:
            _write_at(self._descriptor, b"".join([row.frame for row in batch]), end)
        except OSError as error:
            self._undo(active)
            return _refusal(error)
        try:
            files.sync(self._descriptor)
        except OSError as error:
            # the kernel may have dropped the pages and called the next fsync a success
            self._undo(active)
            self._seal()
            return _refusal(error)
        positions = []
        for row in batch:
            end += len(row.frame)
            positions.append(Position(self.name, active.number, end))
        with self._lock:
            active.end = end
        if batch[-1].seal or end >= self._segment_bytes:
            self._seal()
        self.wake()
        return positions

    def _begin(self) -> _Segment:
        number = self._next
        self._next += 1
        path = self._folder / files.file_name(number)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write_at(descriptor, files.header(number), 0)
            private.sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        self._descriptor = descriptor
        self._active = _Segment(number, path, files.HEADER_BYTES)
        with self._lock:
            self._segments[number] = self._active
        return self._active

    def _undo(self, active: _Segment) -> None:
        """Take an unfinished batch out of the segment."""
        try:
            os.ftruncate(self._descriptor, active.end)
        except OSError:
            self._seal()  # readers stop at `end`, and the next segment is a new file

    def _seal(self) -> None:
        active = self._active
        if active is None:
            return
        self._active = None
        with self._lock:
            active.sealed = True
            empty = active.end == files.HEADER_BYTES and not active.damaged
            if empty:
                del self._segments[active.number]
        with suppress(OSError):  # whatever was acknowledged is on the medium already
            os.close(self._descriptor)
            if empty:
                active.path.unlink(missing_ok=True)

    def _settle(
        self, batch: Sequence[_Waiting], outcome: Sequence[Position] | LogUnavailable
    ) -> None:
        """Tell those who wait, in their own event loops."""
        with self._lock:
            self._waiting_bytes -= sum(len(row.frame) for row in batch)
        for loop in {row.loop for row in batch}:
            places = [n for n, row in enumerate(batch) if row.loop is loop]
            futures = [batch[n].future for n in places]
            if isinstance(outcome, LogUnavailable):
                results: Sequence[Position | LogUnavailable] = [
                    LogUnavailable(*outcome.args) for _ in futures
                ]
            else:
                results = [outcome[n] for n in places]
            try:
                loop.call_soon_threadsafe(_resolve, futures, results)
            except RuntimeError:  # that loop is closed: nobody waits any more
                continue

    def _end(self) -> Position:
        for row in reversed(self._segments.values()):
            if row.end > files.HEADER_BYTES:
                return Position(self.name, row.number, row.end)
        return self._start


def _resolve(
    futures: Sequence[asyncio.Future[Position]], results: Sequence[Position | LogUnavailable]
) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():  # the client went away
            continue
        if isinstance(result, LogUnavailable):
            future.set_exception(result)
        else:
            future.set_result(result)


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]


def _refusal(error: OSError) -> LogUnavailable:
    return LogUnavailable(f"the collector cannot write its log ({error.strerror}); try again later")


def _place(position: Position) -> tuple[int, int]:
    return position.segment, position.offset
