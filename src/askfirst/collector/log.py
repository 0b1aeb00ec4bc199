"""The append-only log: what the collector has acknowledged lies here until the store has it.

One thread writes. Requests that arrive while it waits for an fsync share the next one. `tail.py` is
the other side, which reads.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from askfirst.collector import private
from askfirst.collector import segment as files
from askfirst.collector.watermark import Watermark

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SEGMENT_BYTES = 64 * 1024 * 1024
WAITING_BYTES = 64 * 1024 * 1024
QUOTA_BYTES = 4 * 1024 * 1024 * 1024
NAME_FILE = "name"
LOCK_FILE = "lock"
LOCK_SECONDS = 10.0  # a writer that was told to end may still be bringing its last batch home
CROWD, COMPANY_SECONDS = 4, 0.004  # after so many requests at once the next are waited for
SAY_AGAIN = 60.0  # seconds between lines for the operator
LOOK_AGAIN = 0.1  # seconds; how often a full log looks whether the loader has made room
PROBE_SECONDS = 1.0  # how often a log that takes nothing tries whether it could
PROBE_BYTES = 64 * 1024

Done: TypeAlias = "Callable[[LogError | None], None]"


class LogError(Exception):
    """The log cannot take this now; the sender keeps it and tries later."""

    retry_after = 10  # seconds


class LogFull(LogError):  # noqa: N818 - the condition is its name
    """More bytes wait to be written than the log will hold in memory."""

    retry_after = 2


class LogQuota(LogError):  # noqa: N818
    """The log has as much of the disk as it may have; the loader is behind."""

    retry_after = 30


class LogUnavailable(LogError):  # noqa: N818
    """The disk refused: it is full, or it failed."""

    retry_after = 30


class LogClosed(LogError):  # noqa: N818
    """The collector is stopping."""


class LogHeld(LogError):  # noqa: N818
    """Another process writes the log."""


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    end: int  # bytes known to be on the medium


class _Waiting(NamedTuple):
    frame: bytes
    done: Done
    loop: asyncio.AbstractEventLoop
    requests: int


def prepare(folder: Path, *, anew: bool = False) -> str:
    """Make the folder of a log if need be, and return the log's name.

    The name is random and stays with the folder, so that a store can tell the logs of several
    collectors apart; `anew` makes another. Raises OSError.
    """
    private.make_folder(folder)
    path = folder / NAME_FILE
    try:
        name = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        name = ""
    if anew or not name:
        name = secrets.token_hex(8)
        private.write(path, name + "\n")
    return name


def lock(folder: Path, patience: float | None = None) -> int:
    """Return a descriptor that holds the log's lock until it is closed.

    Waits for it `patience` seconds, LOCK_SECONDS if left out. Raises LogHeld, OSError.
    """
    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + (LOCK_SECONDS if patience is None else patience)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise LogHeld(f"another collector writes {folder}; stop it first") from None
            time.sleep(0.05)
        else:
            return descriptor


class Log:
    """The writer of the log in `folder`, which `tail.Tail` has brought in order before.

    Sizes in bytes: of a segment, of what may wait in memory, and of all segments that the loader
    has not done with. `commit` is told how long (seconds) the oldest of a batch waited for its
    fsync. `say` takes a line for the operator when trouble begins and when it has ended, in any
    thread. Raises OSError, LogHeld.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        waiting_bytes: int = WAITING_BYTES,
        quota_bytes: int = QUOTA_BYTES,
        commit: Callable[[float], None] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.trouble = ""  # why nothing is taken, or ""
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._waiting_limit = waiting_bytes
        self._quota = quota_bytes
        self._commit = commit
        self._say = say
        self._said = ""  # the trouble that the operator knows of
        self._say_at = 0.0
        self._held = lock(folder)
        self._watermark = Watermark(folder)
        self._next, _ = self._watermark.get()
        self._lock = Lock()
        self._arrived = Condition(self._lock)
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._since = 0.0  # when the first of those who wait came
        self._begun = 0.0  # the same of the batch that is being written
        self._idle = False  # the writer sleeps until it is told
        self._crowded = False
        self._rolling = False
        self._closing = False
        self._active: _Segment | None = None
        self._descriptor = -1
        self._sealed = {path: path.stat().st_size for path in folder.glob(f"*{files.SUFFIX}")}
        self._sealed_bytes = sum(self._sealed.values())
        self._look_at = 0.0
        self._writer = Thread(target=self._write_all, name="askfirst-log", daemon=True)
        self._writer.start()

    def append(self, payload: bytes, done: Done, *, requests: int = 1) -> None:
        """Append a payload, what so many requests brought; after an fsync `done` is called with
        None in the running event loop, or with LogUnavailable.

        Raises LogFull, LogQuota or LogClosed, and then does not call `done`.
        """
        loop = asyncio.get_running_loop()
        frame = files.frame(payload)
        with self._lock:
            if self._closing:
                raise LogClosed("the collector is stopping; try again")
            waiting = self._waiting_bytes + len(frame)
            if self._waiting_bytes and waiting > self._waiting_limit:
                raise LogFull("more arrives than the disk can take; try again")
            if not self._has_room(len(frame)):
                self._find("the store is far behind and the log is full")
                # only an ended segment is deleted once it is loaded
                if self._active and self._active.end > files.HEADER_BYTES:
                    self._rolling = True
                self._arrived.notify()  # from now on it looks by itself whether that is over
                raise LogQuota(f"{self.trouble}; try again later")
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting.append(_Waiting(frame, done, loop, requests))
            self._waiting_bytes = waiting
            if self._idle:
                self._arrived.notify()

    async def write(self, payload: bytes) -> None:
        """Append a payload and wait for the fsync. Raises LogError."""
        future = asyncio.get_running_loop().create_future()

        def done(error: LogError | None) -> None:
            if future.done():  # the client went away
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.append(payload, done)
        await future

    def roll(self) -> None:
        """End the segment that is being written; what comes next goes into a new one."""
        with self._lock:
            self._rolling = True
            self._arrived.notify()

    def close(self) -> None:
        """Write what waits, then stop writing; what is there can still be read."""
        with self._lock:
            self._closing = True
            self._arrived.notify()
        self._writer.join()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def waiting(self) -> int:
        """Return how many bytes wait to be written."""
        with self._lock:
            return self._waiting_bytes

    def _has_room(self, size: int) -> bool:
        active = self._active.end if self._active else 0
        wanted = active + self._waiting_bytes + size
        if self._sealed_bytes + wanted <= self._quota:
            return True
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_AGAIN
            self._sealed = {path: size for path, size in self._sealed.items() if path.exists()}
            self._sealed_bytes = sum(self._sealed.values())
        return self._sealed_bytes + wanted <= self._quota

    def _find(self, trouble: str) -> None:
        """Note what the trouble is, or "", and say so; of one that comes and goes, once a minute.

        The caller has the lock.
        """
        self.trouble = trouble
        now = time.monotonic()
        if self._say is None or trouble == self._said or now < self._say_at:
            return
        self._said, self._say_at = trouble, now + SAY_AGAIN
        self._say(f"events are refused: {trouble}" if trouble else "the log takes events again")

    # The writer's thread

    def _write_all(self) -> None:
        while (batch := self._take()) is not None:
            if batch:
                self._settle(batch, self._write(batch))
            elif self.trouble:
                self._probe()
            with self._lock:
                rolling, self._rolling = self._rolling, False
            if rolling:
                self._seal()
        self._seal()

    def _take(self) -> list[_Waiting] | None:
        """Wait for something to write or to end; None when there will be nothing more.

        In trouble the batch may be empty: it is time to see whether that is over. While many come
        it waits for more of them, since an fsync costs the same for one as for all.
        """
        if self._crowded:
            time.sleep(COMPANY_SECONDS)
        with self._lock:
            while not (self._waiting or self._rolling or self._closing):
                self._idle = True
                came = self._arrived.wait(PROBE_SECONDS if self.trouble else None)
                self._idle = False
                if not came:
                    break
            if self._closing and not self._waiting:
                return None
            batch, self._waiting = self._waiting, []
            self._begun = self._since
            self._crowded = sum([row.requests for row in batch]) >= CROWD
            return batch

    def _write(self, batch: Sequence[_Waiting]) -> LogUnavailable | None:
        """Bring a batch to the medium; return why not, if not."""
        try:
            active = self._active or self._begin()
        except OSError as error:
            return _refusal(error)
        data = b"".join([row.frame for row in batch])
        try:
            _write_at(self._descriptor, data, active.end)
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
        with self._lock:
            active.end += len(data)
        self._watermark.set(active.number, active.end)
        if self._commit:
            self._commit(time.monotonic() - self._begun)
        if active.end >= self._segment_bytes:
            self._seal()
        return None

    def _probe(self) -> None:
        """See whether the trouble is over, though nobody sends: nobody may, as long as a balancer
        believes what the log says about itself.
        """
        try:
            active = self._active or self._begin()
            _write_at(self._descriptor, bytes(PROBE_BYTES), active.end)
            os.ftruncate(self._descriptor, active.end)
        except OSError:
            if self._active:
                self._undo(self._active)
            return
        with self._lock:
            if self._has_room(self._quota // 8):
                self._find("")

    def _begin(self) -> _Segment:
        number = self._next
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
        return self._active

    def _undo(self, active: _Segment) -> None:
        """Take an unfinished batch out of the segment."""
        try:
            os.ftruncate(self._descriptor, active.end)
        except OSError:
            self._seal()  # the reader finds the rest torn and sets the file aside, read to here

    def _seal(self) -> None:
        active = self._active
        if active is None:
            return
        empty = active.end == files.HEADER_BYTES
        with self._lock:
            self._active = None
            if not empty:
                self._sealed[active.path] = active.end
                self._sealed_bytes += active.end
        with suppress(OSError):  # whatever was acknowledged is on the medium already
            os.close(self._descriptor)
            if empty:
                active.path.unlink(missing_ok=True)
        self._next = active.number + 1
        self._watermark.set(self._next, 0)

    def _settle(self, batch: Sequence[_Waiting], error: LogError | None) -> None:
        """Tell those who wait, in their own event loops."""
        with self._lock:
            self._find(str(error or ""))
            self._waiting_bytes -= sum([len(row.frame) for row in batch])
        for loop in {row.loop for row in batch}:
            waiting = [row.done for row in batch if row.loop is loop]
            with suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, waiting, error)


def _tell(waiting: Sequence[Done], error: LogError | None) -> None:
    for done in waiting:
        done(error)


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        offset += written
        view = view[written:]


def _refusal(error: OSError) -> LogUnavailable:
    return LogUnavailable(f"the collector cannot write its log ({error.strerror}); try again later")
