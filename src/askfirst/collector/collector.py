"""The parts that a collector is made of, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from askfirst.collector import private
from askfirst.collector.config import Config
from askfirst.collector.direct import Direct
from askfirst.collector.door import Door
from askfirst.collector.ingest import Taken, answer
from askfirst.collector.loader import NICE, Loader, Places
from askfirst.collector.log import Log
from askfirst.collector.metrics import Counts, Metrics, add_up
from askfirst.collector.request import Refusal
from askfirst.collector.retaining import Retention
from askfirst.collector.scrubber import Scrubber
from askfirst.collector.segment import SUFFIX, drop_set_aside
from askfirst.collector.tail import Tail
from askfirst.contract.model import Contract
from askfirst.stores.base import Store, StoreAwayError, StoreError

if TYPE_CHECKING:
    from askfirst.collector.entrance import Entrance
    from askfirst.collector.worker import Order, Report
    from askfirst.collector.workers import Workers

SIZE_SECONDS = 1.0
RETRY = {"retry-after": "30"}
ALARM_ERASURES, ALARM_SECONDS = 100, 3600.0


class Collector:
    """Logs, a store, the loader between them, and a door to a log of its own, or to the store.

    `now` returns ms UTC, `say` takes one line for the operator. Raises OSError if the logs' folder
    cannot be used, LogHeld if another process writes there, StoreError if the store fails.
    """

    def __init__(
        self, config: Config, store: Store, *, now: Callable[[], int], say: Callable[[str], None]
    ) -> None:
        self.config = config
        self.contracts = config.contracts
        self.store = store
        self.now = now
        self.say = say = _unbreakable(say)
        self.metrics = Metrics()
        has_no_log = config.ack == "store"
        is_away = False
        try:
            for contract in config.contracts:
                store.declare(contract)
        except StoreAwayError as error:
            is_away = True  # the loader declares them, and finds out how far the logs are loaded
            say(f"{error}; events are taken all the same, and loaded when it answers")
        self.tails = {
            folder.name: Tail(folder, store.position, say)
            for folder in log_folders(config.log_folder, config.workers, leftover=has_no_log)
        }
        self.log: Log | Direct
        if has_no_log:
            self.log = Direct(
                store, self.metrics, say, is_away=is_away, waiting_bytes=config.waiting_bytes
            )
        else:
            own = self.tails["0"]
            self.log = open_log(own.folder, config, self.metrics, say)
            own.roll = self.log.roll
        self.door = Door(self.log, config.contracts, config.limits, self.metrics, now)
        # with one process they share the interpreter with those who take events: if they were kept
        # waiting while they hold that, so were those
        nice = NICE if config.workers > 1 else 0
        self.scrubber = Scrubber(store, _monotonic_ms, say, nice=nice)
        self.loader = Loader(
            list(self.tails.values()),
            store,
            lambda: self.contracts,
            self.metrics,
            now,
            say,
            nice=nice,
            is_away=is_away,
            retention=Retention(None if has_no_log else config.log_folder, say),
            forgotten=self.scrubber.forgotten,
        )
        self.entrance: Entrance | None = None  # unless workers take the events
        self._workers: Workers | None = None
        self._sizing: asyncio.Task[int] | None = None
        self._size: int | None = None
        self._erasures: deque[float] = deque(maxlen=ALARM_ERASURES)

    def start(self) -> None:
        """Begin to move the logs into the store."""
        self.loader.start()
        self.scrubber.start()

    def stop(self) -> None:
        """Write what was taken, load it, and end. The store stays open."""
        self.log.close()
        self.scrubber.stop()
        self.loader.stop()

    async def keep(self, taken: Taken) -> bytes:
        """Bring what was taken to the log; return the answer. Raises LogError."""
        if taken.payload:
            await self.door.log.write(taken.payload)
        self.door.count(taken)
        return answer(taken)

    async def caught_up(self, places: Places | None = None) -> None:
        """Wait until the store has what was accepted before now, or before `places`.

        Raises Refusal (503) when that takes too long.
        """
        if not await self.loader.reach(places or self.loader.accepted(), self.config.patience):
            raise behind()

    async def emptied(self) -> None:
        """Wait until the store has what was accepted before now, and no log has it any more.

        Raises Refusal (503) when that takes too long, or a worker does not let go of its segment.
        """
        try:
            places = await asyncio.to_thread(self.loader.end_segments)
        except TimeoutError:
            raise Refusal(503, "a worker is missing; try again later", RETRY) from None
        await self.caught_up(places)

    async def erase(self, tool: str, installation: bytes) -> int:
        """Forget an installation; return how many events. Raises Refusal (503), StoreError."""
        await self.emptied()
        await asyncio.to_thread(self._forget_set_aside)
        try:
            return await asyncio.wait_for(
                self.loader.erase(tool, installation, self._count_erasure), self.config.patience
            )
        except asyncio.TimeoutError:
            raise behind() from None

    async def agree(self, contracts: Sequence[Contract]) -> None:
        """Put other contracts of the same tools in force. Raises StoreError."""

        def declare(store: Store) -> None:
            for contract in contracts:
                store.declare(contract)

        await self.loader.do(declare)
        self.contracts = tuple(contracts)
        self.door.agree(contracts)

    async def recover(self, tail: Tail) -> None:
        """Bring a log in order whose writer has ended. Raises OSError, LogError."""

        def work(_store: Store) -> None:  # nothing is loaded meanwhile, so it waits for nobody
            tail.recover(self.loader.position(tail.name), patience=0)

        await self.loader.do(work)

    def hire(self, workers: Workers) -> None:
        """Make worker processes known."""
        self._workers = workers

    def tell(self, order: Order) -> None:
        """Send an order to every worker."""
        if self._workers is not None:
            self._workers.tell(order)

    async def statistics(self) -> tuple[Counts, dict[str, float]]:
        """Return what all processes of the collector count, and how things stand."""
        reports = await self._reports()
        past = self._workers.past() if self._workers else []
        counts = add_up(
            [self._none_yet(), self.metrics.counts(), past, *(r.counts for r in reports)]
        )
        share = self.config.quota_bytes // log_count(self.config.workers)
        sizes = [tail.size() for tail in self.tails.values()]
        own = len(self.entrance.connections) if self.entrance else 0
        gauges = {
            "askfirst_log_bytes": sum(sizes),
            "askfirst_log_fullest_ratio": max(sizes, default=0) / share,
            "askfirst_log_quota_bytes": self.config.quota_bytes,
            "askfirst_log_waiting_bytes": self.log.waiting() + sum(row.waiting for row in reports),
            "askfirst_log_corrupt_segments": sum(tail.corrupt for tail in self.tails.values()),
            "askfirst_connections": own + sum(row.connections for row in reports),
            "askfirst_ready": self._takes_events(reports),
        }
        with suppress(StoreError):  # a server that is away is no reason to say nothing
            gauges["askfirst_store_bytes"] = await self._store_bytes()
        return counts, {name: float(value) for name, value in gauges.items()}

    def _none_yet(self) -> Counts:
        """Return 0 for what is counted at the first event: an alert needs it before that."""
        name = "askfirst_events_accepted_total"
        return [(name, (("tool", contract.name),), 0) for contract in self.contracts]

    def _forget_set_aside(self) -> None:
        """Delete what cannot be read of the logs: whoever is erased may be in there."""
        if drop_set_aside(self.config.log_folder):
            self.say("what was set aside of the log is deleted: an installation was erased")

    async def _store_bytes(self) -> int:
        """Return how large the store is, or was when it last said so within a second.

        A server that hangs is asked once at a time: who asks holds a thread. Raises StoreError.
        """
        if self._sizing is None:
            self._sizing = asyncio.create_task(asyncio.to_thread(self.store.size))
        asked = self._sizing
        done, _ = await asyncio.wait((asked,), timeout=SIZE_SECONDS)
        if done:
            if self._sizing is asked:
                self._sizing = None
            self._size = asked.result()
        if self._size is None:
            raise StoreError("the store has not said yet how large it is")
        return self._size

    async def is_ready(self) -> bool:
        """Tell whether every process takes events now."""
        return self._takes_events(await self._reports())

    async def _reports(self) -> list[Report]:
        return await self._workers.reports() if self._workers else []

    def _takes_events(self, reports: Sequence[Report]) -> bool:
        return not self.log.trouble and all(row.ready for row in reports)

    def _count_erasure(self, erased: int) -> None:
        if not erased:  # anybody can name installations that there are not
            return
        self.metrics.add("askfirst_erasures_total")
        self.metrics.add("askfirst_events_erased_total", erased)
        now = time.monotonic()
        self._erasures.append(now)
        if len(self._erasures) == ALARM_ERASURES and now - self._erasures[0] < ALARM_SECONDS:
            self._erasures.clear()
            self.say(
                f"{ALARM_ERASURES} installations were erased within an hour; a faulty release "
                "of a tool may be sending them: take a backup, then look at its users' reports"
            )


def _monotonic_ms() -> int:
    """Return milliseconds of a clock that nobody sets: it decides how long erased bytes stay."""
    return time.monotonic_ns() // 1_000_000


def _unbreakable(say: Callable[[str], None]) -> Callable[[str], None]:
    """Return what says the same, but does not fail when nobody hears it any more."""

    def tell(text: str) -> None:
        with suppress(OSError):  # as of a pipe whose reader has ended: it must not end the loader
            say(text)

    return tell


def behind() -> Refusal:
    """Return the refusal of what needs a store that is not there now."""
    text = "the store is behind; nothing is lost, try again later"
    return Refusal(503, text, RETRY)


def log_folders(folder: Path, workers: int, *, leftover: bool = False) -> list[Path]:
    """Return the folders of the logs: "0" of the collector, "1" and so on of each worker.

    Also those of workers that an earlier start had and this one has not. With `leftover`, none is
    to be written: only those that still hold something are returned.
    """
    private.make_folder(folder)
    numbers = {int(row.name) for row in folder.iterdir() if row.name.isdigit()}
    if leftover:
        held = (folder / str(number) for number in sorted(numbers))
        return [path for path in held if any(path.glob(f"*{SUFFIX}*"))]  # or was set aside
    return [folder / str(number) for number in sorted(numbers | set(range(log_count(workers))))]


def open_log(folder: Path, config: Config, metrics: Metrics, say: Callable[[str], None]) -> Log:
    """Open the log in a folder for writing. Raises OSError, LogHeld."""
    return Log(
        folder,
        segment_bytes=config.segment_bytes,
        waiting_bytes=config.waiting_bytes,
        quota_bytes=config.quota_bytes // log_count(config.workers),
        commit=metrics.commit,
        say=say,
    )


def log_count(workers: int) -> int:
    """Return how many logs share the quota: with workers, one of each and one of the collector."""
    return workers + 1 if workers > 1 else 1
