"""In the log's place for `--ack store`: what arrives goes into the store before it is answered.

Nothing of it is ever on this machine's disk. Requests that wait share one load; one that the store
does not take, or not in time, is refused with 503 and kept by its sender, who sends it again. Then
the store recognises what it has already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread

from askfirst.collector.frames import decode
from askfirst.collector.gather import Batch
from askfirst.collector.log import Done, LogClosed, LogError, LogFull, LogUnavailable
from askfirst.collector.metrics import Metrics
from askfirst.stores.base import Position, Store

WAITING_BYTES = 64 * 1024 * 1024
GROUP_EVENTS, GROUP_SECONDS = 5_000, 0.2  # a load waits for company, but not for more than this
MOST_EVENTS = 50_000  # in one load
PATIENCE = 10.0  # seconds until a request is answered with 503
PROBE_SECONDS = 1.0  # how often a store that takes nothing is asked whether it would
NOWHERE = Position("", 0, 0)


@dataclass(slots=True, eq=False)
class _Request:
    """One that waits; `done` is called once, in the event loop it came from."""

    payload: bytes
    events: int
    done: Done
    loop: asyncio.AbstractEventLoop
    since: float
    is_over: bool = False
    timer: asyncio.TimerHandle | None = field(default=None)

    def end(self, error: LogError | None) -> None:
        if self.is_over:
            return
        self.is_over = True
        if self.timer is not None:
            self.timer.cancel()
        self.done(error)


class Direct:
    """Brings payloads into a store, and says so afterwards. It has the interface of `log.Log`.

    `is_away` says that the store did not answer yet; `say` takes one line for the operator.
    """

    def __init__(
        self,
        store: Store,
        metrics: Metrics,
        say: Callable[[str], None],
        *,
        is_away: bool = False,
        waiting_bytes: int = WAITING_BYTES,
        patience: float = PATIENCE,
    ) -> None:
        self.trouble = "the store does not answer" if is_away else ""  # why nothing is taken, or ""
        self._store = store
        self._metrics = metrics
        self._say = say
        self._waiting_limit = waiting_bytes
        self._patience = patience
        self._lock = Lock()
        self._arrived = Condition(self._lock)
        self._waiting: list[_Request] = []
        self._waiting_events = 0
        self._bytes = 0  # of what waits and of what is being loaded
        self._closing = False
        self._thread = Thread(target=self._load_all, name="askfirst-direct", daemon=True)
        self._thread.start()

    def append(self, payload: bytes, done: Done, *, requests: int = 1) -> None:  # noqa: ARG002
        """Have a payload loaded; then `done` is called with None in the running event loop, or with
        LogUnavailable if the store does not take it in time. Events are counted, not `requests`.

        Raises LogFull, LogUnavailable or LogClosed, and then does not call `done`.
        """
        loop = asyncio.get_running_loop()
        size = len(decode(payload))
        with self._lock:
            if self._closing:
                raise LogClosed("the collector is stopping; try again")
            if self.trouble:
                raise _unavailable()
            if self._bytes and self._bytes + len(payload) > self._waiting_limit:
                raise LogFull("more arrives than the store can take; try again")
            request = _Request(payload, size, done, loop, time.monotonic())
            request.timer = loop.call_later(self._patience, request.end, _unavailable())
            self._waiting.append(request)
            self._waiting_events += size
            self._bytes += len(payload)
            self._arrived.notify()

    async def write(self, payload: bytes) -> None:
        """Have a payload loaded, and wait for it. Raises LogError."""
        future: asyncio.Future[LogError | None] = asyncio.get_running_loop().create_future()

        def done(error: LogError | None) -> None:
            if not future.done():  # else the client went away
                future.set_result(error)

        self.append(payload, done)
        error = await future
        if error is not None:
            raise error

    def roll(self) -> None:
        """Do nothing: there are no segments."""

    def waiting(self) -> int:
        """Return how many bytes are on their way into the store."""
        with self._lock:
            return self._bytes

    def close(self) -> None:
        """Load what waits, and end. What the store does not take is refused."""
        with self._lock:
            self._closing = True
            self._arrived.notify()
        self._thread.join()

    # The thread

    def _load_all(self) -> None:
        while (requests := self._take()) is not None:
            if self.trouble and not requests:
                self._probe()
                continue
            wanted = [row for row in requests if not row.is_over]
            error = self._load(wanted) if wanted else None
            with self._lock:
                self._bytes -= sum(len(row.payload) for row in requests)
            _settle(wanted, error)

    def _take(self) -> list[_Request] | None:
        """Wait for a load's worth of requests; None when there will be none.

        While the store takes nothing there may be none: it is time to see whether it would.
        """
        with self._lock:
            while not (self._waiting or self._closing):
                if not self._arrived.wait(PROBE_SECONDS if self.trouble else None):
                    return []
            while self._waiting and self._waiting_events < GROUP_EVENTS and not self._closing:
                left = self._waiting[0].since + GROUP_SECONDS - time.monotonic()
                if left <= 0 or self.trouble:
                    break
                self._arrived.wait(left)
            if not self._waiting:
                return None
            taken: list[_Request] = []
            events = 0
            for request in self._waiting:
                if taken and events + request.events > MOST_EVENTS:
                    break
                taken.append(request)
                events += request.events
            del self._waiting[: len(taken)]
            self._waiting_events -= events
            return taken

    def _load(self, requests: Sequence[_Request]) -> LogError | None:
        """Load what has come; return why not, if not."""
        batch = Batch(NOWHERE)
        for request in requests:
            batch.add(decode(request.payload))
        try:
            loaded = self._store.load(batch.events(), batch.counts)
        except Exception as error:  # noqa: BLE001 - the thread must outlive any failure
            self._fail(error)
            return _unavailable()
        self._metrics.add("askfirst_events_stored_total", loaded.stored)
        self._metrics.add("askfirst_events_duplicate_total", loaded.duplicate)
        self._metrics.commit(time.monotonic() - requests[0].since)
        self._recover()
        return None

    def _probe(self) -> None:
        try:
            self._store.contracts()
        except Exception as error:  # noqa: BLE001 - the thread must outlive any failure
            self._fail(error)
        else:
            self._recover()

    def _fail(self, error: Exception) -> None:
        self._metrics.add("askfirst_store_failures_total")
        trouble = str(error) or type(error).__name__
        if trouble != self.trouble:
            self.trouble = trouble
            self._say(f"the store takes nothing, and senders are told to wait: {trouble}")

    def _recover(self) -> None:
        if self.trouble:
            self.trouble = ""
            self._say("the store takes events again")


def _settle(requests: Sequence[_Request], error: LogError | None) -> None:
    """Tell those who wait, in their own event loops."""
    for loop in {row.loop for row in requests}:
        waiting = [row for row in requests if row.loop is loop]
        with suppress(RuntimeError):  # that loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, waiting, error)


def _tell(requests: Sequence[_Request], error: LogError | None) -> None:
    for request in requests:
        request.end(error)


def _unavailable() -> LogUnavailable:
    return LogUnavailable("the store does not take events now; try again later")
