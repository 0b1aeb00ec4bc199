"""Moves the log into the store: rows and the place they came from in one transaction.

Whatever dies in between, the store says how far it got, and loading goes on from there.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread

import msgspec

from askfirst.collector import segment as files
from askfirst.collector.frames import ErasureFrame, EventsFrame, decode
from askfirst.collector.gather import Batch
from askfirst.collector.log import Frame, Log
from askfirst.collector.metrics import Metrics
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS, Position, Store, StoreError

MOST_EVENTS = 20_000  # in one transaction
LINGER = 0.2  # seconds to wait for company for the first event after a pause
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds between attempts that fail
IDLE = 60.0  # seconds; how often an idle loader looks at the clock
RETAIN_AGAIN_MS = 3_600_000  # after a retention that failed
MOST_RESULTS = 1_000  # erasures whose asker may still want the number


@dataclass(frozen=True, slots=True)
class _Waiter:
    place: tuple[int, int]
    tell: Callable[[], None]


class Loader:
    """The thread between a log and a store.

    `now` returns ms UTC; `say` takes one line for the operator.
    """

    def __init__(
        self,
        log: Log,
        store: Store,
        contracts: Sequence[Contract],
        metrics: Metrics,
        now: Callable[[], int],
        say: Callable[[str], None],
        *,
        most_events: int = MOST_EVENTS,
        linger: float = LINGER,
    ) -> None:
        self.trouble = ""  # why loading stands still, or ""
        self._log = log
        self._store = store
        self._contracts = contracts
        self._metrics = metrics
        self._now = now
        self._say = say
        self._most_events = most_events
        self._linger = linger
        self._position = store.position(log.name) or Position(log.name, 0, 0)
        self._settled = _place(self._position)
        self._unsure = False
        self._retain_at = 0
        self._erased: dict[tuple[int, int], int] = {}
        self._lock = Lock()
        self._waiters: list[_Waiter] = []
        self._stopping = Event()
        self._hurry = Event()
        self._thread = Thread(target=self._run, name="askfirst-loader", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def stop(self) -> None:
        """Load what is left, unless the store refuses, and end. Close the log first."""
        self._stopping.set()
        self._hurry.set()
        self._log.wake()
        if self._thread.ident is not None:
            self._thread.join()

    def wait_until_loaded(self, position: Position, timeout: float) -> bool:
        """Wait until the store has everything before `position`; False after `timeout` seconds."""
        loaded = Event()
        waiter = self._wait(position, loaded.set)
        try:
            return loaded.wait(timeout)
        finally:
            self._forget(waiter)

    async def reach(self, position: Position, timeout: float) -> bool:
        """Do the same without holding a thread."""
        loop = asyncio.get_running_loop()
        loaded = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(loaded.set)

        waiter = self._wait(position, tell)
        try:
            await asyncio.wait_for(loaded.wait(), timeout)
        except asyncio.TimeoutError:
            return False
        else:
            return True
        finally:
            self._forget(waiter)

    def take_erased(self, position: Position) -> int:
        """Return, once, how many events the erasure that ends at `position` removed."""
        with self._lock:
            return self._erased.pop(_place(position), 0)

    # The thread

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                moved = self._load_some()
                self._settle()
                self._retain_when_due()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any failure
                self._fail(error)
                if self._stopping.wait(pause):
                    return  # the log keeps the rest for the next start
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            self._recovered()
            if not moved:
                if self._stopping.is_set():
                    return
                self._log.wait(self._position, IDLE)
                self._hurry.wait(self._linger)

    def _load_some(self) -> bool:
        """Move one transaction's worth, or one erasure; return False if there was nothing."""
        if self._unsure:  # a transaction that failed may have been committed all the same
            self._position = self._store.position(self._log.name) or Position(self._log.name, 0, 0)
            self._unsure = False
        batch = Batch(self._position)
        damage: tuple[int, int] | None = None
        try:
            for frame in self._log.frames(self._position):
                message = _read(frame)
                if isinstance(message, ErasureFrame):
                    if batch.position == self._position:
                        self._erase(message, frame.end)
                        return True
                    break  # what came before it first
                batch.add(message, frame.end)
                if batch.size >= self._most_events:
                    break
        except files.CorruptError as error:
            damage = (files.number_of(error.path.name) or 0, error.offset)
        moved = batch.position != self._position
        if moved:
            self._load(batch)
        if damage:
            self._position = self._log.set_aside(*damage)
        return moved or damage is not None

    def _load(self, batch: Batch) -> None:
        loaded = self._store.load(list(batch.events.values()), batch.counts, batch.position)
        self._metrics.add("askfirst_events_stored_total", loaded.stored)
        self._metrics.add("askfirst_events_duplicate_total", loaded.duplicate)
        self._position = batch.position

    def _erase(self, message: ErasureFrame, end: Position) -> None:
        erased = self._store.erase(message.tool, message.installation)
        place = _place(end)
        with self._lock:  # an attempt whose next line failed has erased already
            self._erased[place] = self._erased.get(place, 0) + erased
            while len(self._erased) > MOST_RESULTS:
                del self._erased[next(iter(self._erased))]
        self._store.load([], {}, end)
        self._position = end

    def _settle(self) -> None:
        """Delete what is loaded, then tell those who wait for it."""
        self._log.release(self._position)  # first: an erasure that is answered leaves no trace
        with self._lock:
            self._settled = _place(self._position)
            reached = [row for row in self._waiters if row.place <= self._settled]
            self._waiters = [row for row in self._waiters if row.place > self._settled]
            if not self._waiters and not self._stopping.is_set():
                self._hurry.clear()
        for row in reached:
            row.tell()

    def _retain_when_due(self) -> None:
        now = self._now()
        if now < self._retain_at:
            return
        try:
            for contract in self._contracts:
                self._store.retain(contract.name, now - contract.retention_days * DAY_MS)
        except StoreError as error:
            self._say(f"events past their retention are still there: {error}")
            self._retain_at = now + RETAIN_AGAIN_MS
        else:
            self._retain_at = now + DAY_MS

    def _fail(self, error: Exception) -> None:
        self._unsure = True
        self._metrics.add("askfirst_store_failures_total")
        trouble = str(error) or type(error).__name__
        if trouble != self.trouble:
            self.trouble = trouble
            self._say(f"the store takes nothing; the log keeps it and tries again: {trouble}")
            if not isinstance(error, (StoreError, OSError)):
                self._say("".join(traceback.format_exception(error)))

    def _recovered(self) -> None:
        if self.trouble:
            self.trouble = ""
            self._say("the store takes events again")

    # Those who wait

    def _wait(self, position: Position, tell: Callable[[], None]) -> _Waiter:
        waiter = _Waiter(_place(position), tell)
        with self._lock:
            late = waiter.place <= self._settled
            if not late:
                self._waiters.append(waiter)
                self._hurry.set()
        if late:
            tell()
        return waiter

    def _forget(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters = [row for row in self._waiters if row is not waiter]


def _read(frame: Frame) -> EventsFrame | ErasureFrame:
    try:
        return decode(frame.payload)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"segment {frame.end.segment} of the log holds a frame of another askfirst; "
            f"start that version once, or rename the file to *{files.SET_ASIDE}: {error}"
        ) from error


def _place(position: Position) -> tuple[int, int]:
    return position.segment, position.offset
