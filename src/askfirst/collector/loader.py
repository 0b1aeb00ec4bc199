"""Moves logs into the store: rows and the place they came from in one transaction.

Whatever dies in between, the store says how far it got, and loading goes on from there. Whoever
wants something changed in the store asks here; only scrubbing is done by another (scrubber.py).
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TypeVar

import msgspec

from askfirst.collector import segment as files
from askfirst.collector.frames import EventsFrame, decode
from askfirst.collector.gather import Batch
from askfirst.collector.metrics import Metrics
from askfirst.collector.retaining import Retention
from askfirst.collector.standing import stand_back
from askfirst.collector.tail import Frame, Tail
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS, Position, Store, StoreError

MOST_EVENTS = 50_000  # in one transaction
NICE = 5  # below processes that take events: these have somebody waiting, and the log keeps well
LINGER = 2.0  # seconds between transactions, unless a log is behind or somebody waits
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds between attempts that fail
RETAIN_AGAIN_MS = 3_600_000  # after a retention that failed
NEVER = 2**62
SCRUB_AFTER_MS = 5_000  # erasures that come together share one rewriting of the store

Places = Mapping[str, tuple[int, int]]  # log -> (segment, offset)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiter:
    places: Places
    tell: Callable[[], None]


def _nobody(_wait_ms: int) -> None:
    """Stand in for who scrubs, where somebody else sees to it."""


class Loader:
    """The thread between logs and a store.

    `now` returns ms UTC; `say` takes one line for the operator; `nice` is how far it stands back
    where processors are short (Linux only; elsewhere that is of processes, not of threads).
    `is_away` says that the store did not answer yet: it gets the contracts before anything is
    loaded. `retains`: what is past its retention is forgotten, once a day. `forgotten` is told that
    something was, and after how many ms to scrub. `retention` says whether the clock is believed.
    """

    def __init__(
        self,
        tails: Sequence[Tail],
        store: Store,
        contracts: Callable[[], Sequence[Contract]],
        metrics: Metrics,
        now: Callable[[], int],
        say: Callable[[str], None],
        *,
        most_events: int = MOST_EVENTS,
        linger: float = LINGER,
        nice: int = 0,
        is_away: bool = False,
        retains: bool = True,
        retention: Retention | None = None,
        forgotten: Callable[[int], None] = _nobody,
    ) -> None:
        self.trouble = ""  # why loading stands still, or ""
        self._tails = tails
        self._store = store
        self._contracts = contracts
        self._metrics = metrics
        self._now = now
        self._say = say
        self._most_events = most_events
        self._linger = linger
        self._nice = nice
        self._positions = {tail.name: tail.start for tail in tails}
        self._settled: dict[str, tuple[int, int]] = {}
        self._undeclared = is_away
        self._unsure = any(not tail.is_known for tail in tails)
        self._is_behind = False  # a log holds more than the last transaction took
        self._retain_at = 0 if retains else NEVER
        self._retention = retention
        self._forgotten = forgotten
        self._lock = Lock()
        self._waiters: list[_Waiter] = []
        self._jobs: list[Callable[[], None]] = []
        self._stopping = Event()
        self._hurry = Event()
        self._thread = Thread(target=self._run, name="askfirst-loader", daemon=True)

    def start(self) -> None:
        """Begin to load."""
        self._thread.start()

    def stop(self) -> None:
        """Load what is left, unless the store refuses, and end. Close the logs first."""
        self._stopping.set()
        self._hurry.set()
        if self._thread.ident is not None:
            self._thread.join()

    def accepted(self) -> Places:
        """Return the end of what every log holds durably now."""
        return {tail.name: tail.durable() for tail in self._tails}

    def end_segments(self) -> Places:
        """Have every log end the segment it writes; return where that leaves them.

        Once the store has everything before these places, the segments are deleted. Raises OSError.
        """
        for tail in self._tails:
            segment, offset = tail.durable()
            if offset:
                tail.end_segment(segment)
        return self.accepted()

    def position(self, log: str) -> Position:
        """Return how far a log has been loaded."""
        return self._positions[log]

    async def reach(self, places: Places, timeout: float) -> bool:
        """Wait until the store has everything before `places`; False after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        loaded = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(loaded.set)

        waiter = self._wait(places, tell)
        try:
            await asyncio.wait_for(loaded.wait(), timeout)
        except asyncio.TimeoutError:
            return False
        else:
            return True
        finally:
            self._forget(waiter)

    async def do(self, work: Callable[[Store], T]) -> T:
        """Run `work` on the store between two transactions, in the loader's thread.

        Whoever is cancelled before it has begun is not served; what has begun is done all the same.
        """
        future: Future[T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                done = work(self._store)
            except BaseException as error:  # noqa: BLE001 - it is the asker's
                future.set_exception(error)
            else:
                future.set_result(done)

        with self._lock:
            self._jobs.append(job)
            self._hurry.set()
        return await asyncio.wrap_future(future)

    async def erase(
        self, tool: str, installation: bytes, tell: Callable[[int], None] | None = None
    ) -> int:
        """Forget an installation; return how many events. Its bytes are scrubbed soon after.

        `tell` is told how many in the loader's thread, even if nobody waits for it any more.
        """
        until = self._now()

        def work(store: Store) -> int:
            erased = store.erase(tool, installation, until)
            self._forgotten(SCRUB_AFTER_MS)
            if tell is not None:
                tell(erased)
            return erased

        return await self.do(work)

    # The thread

    def _run(self) -> None:
        stand_back(self._nice)
        pause = FIRST_PAUSE
        while True:
            try:
                self._do_jobs()
                moved = self._load_some()
                self._settle()
                self._retain_when_due()
            except Exception as error:  # noqa: BLE001 - the thread must outlive any failure
                self._fail(error)
                if self._stopping.wait(pause):
                    break  # the log keeps the rest for the next start
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            self._recovered()
            if not moved and self._stopping.is_set():
                break
            if not self._is_behind:  # a transaction costs the same for one event as for hundreds
                self._hurry.wait(self._linger)
        self._do_jobs()

    def _do_jobs(self) -> None:
        with self._lock:
            jobs, self._jobs = self._jobs, []
        for job in jobs:
            job()

    def _load_some(self) -> bool:
        """Move at most one transaction's worth of each log; return False if there was nothing."""
        if self._undeclared:
            for contract in self._contracts():
                self._store.declare(contract)
            self._undeclared = False
        if self._unsure:  # a transaction that failed may have been committed all the same
            for tail in self._tails:
                self._positions[tail.name] = self._store.position(tail.name) or tail.start
            self._unsure = False
        self._is_behind = False
        moved = [self._load_from(tail) for tail in self._tails]
        return any(moved)

    def _load_from(self, tail: Tail) -> bool:
        position = self._positions[tail.name]
        batch = Batch(position)
        damage: tuple[int, int] | None = None
        last: Frame | None = None
        try:
            for frame in tail.frames(position):
                batch.add(_read(frame))
                last = frame
                if batch.size >= self._most_events:
                    self._is_behind = True
                    break
        except files.CorruptError as error:
            damage = (files.number_of(error.path.name) or 0, error.offset)
        if last is not None:
            batch.position = last.end
            loaded = self._store.load(batch.events(), batch.counts, batch.position)
            self._metrics.add("askfirst_events_stored_total", loaded.stored)
            self._metrics.add("askfirst_events_duplicate_total", loaded.duplicate)
            self._positions[tail.name] = batch.position
        moved = last is not None
        if damage:
            self._positions[tail.name] = tail.set_aside(*damage)
        return moved or damage is not None

    def _settle(self) -> None:
        """Delete what is loaded, then tell those who wait for it."""
        settled: dict[str, tuple[int, int]] = {}
        for tail in self._tails:
            position = self._positions[tail.name] = tail.settled(self._positions[tail.name])
            tail.release(position)  # first: an erasure that is answered leaves no trace
            settled[tail.name] = (position.segment, position.offset)
        with self._lock:
            self._settled = settled
            reached = [row for row in self._waiters if self._has_reached(row.places)]
            self._waiters = [row for row in self._waiters if not self._has_reached(row.places)]
            if not (self._waiters or self._jobs or self._stopping.is_set()):
                self._hurry.clear()
        for row in reached:
            row.tell()

    def _retain_when_due(self) -> None:
        now = self._now()
        if self._retain_at != NEVER:
            self._retain_at = min(self._retain_at, now + DAY_MS)  # the clock may have been set back
        if now < self._retain_at:
            return
        try:
            if self._retention and not self._retention.is_sure(self._store, now):
                self._retain_at = now + RETAIN_AGAIN_MS
                self._forgotten(0)
                return
            for contract in self._store.contracts():  # also of tools that are not served any more
                self._store.retain(contract.name, now - contract.retention_days * DAY_MS)
            for tail in self._tails:
                tail.forget_set_aside(now)
            if self._retention:
                self._retention.done(now)
        except (StoreError, OSError) as error:
            self._say(f"events past their retention are still there: {error}")
            self._retain_at = now + RETAIN_AGAIN_MS
        else:
            self._retain_at = now + DAY_MS
        self._forgotten(0)  # at the start also what an earlier run has left

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

    def _wait(self, places: Places, tell: Callable[[], None]) -> _Waiter:
        waiter = _Waiter(places, tell)
        with self._lock:
            late = self._has_reached(places)
            if not late:
                self._waiters.append(waiter)
                self._hurry.set()
        if late:
            tell()
        return waiter

    def _has_reached(self, places: Places) -> bool:
        return all(self._settled.get(log, (0, 0)) >= place for log, place in places.items())

    def _forget(self, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters = [row for row in self._waiters if row is not waiter]


def _read(frame: Frame) -> EventsFrame:
    try:
        return decode(frame.payload)
    except msgspec.DecodeError as error:
        raise StoreError(
            f"segment {frame.segment} of the log holds a frame of another askfirst; "
            f"start that version once, or delete the file, which loses its events: {error}"
        ) from error
