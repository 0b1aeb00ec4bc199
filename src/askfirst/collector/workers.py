"""The collector's side of its worker processes: it starts, tells, asks and ends them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

from askfirst.collector.collector import Collector, log_count
from askfirst.collector.metrics import Counts, add_up
from askfirst.collector.private import reason_of
from askfirst.collector.tail import Tail
from askfirst.collector.worker import GRACE_SECONDS, Order, Report, Setup

START_SECONDS = 30.0
COUNT_SECONDS = 2.0
AGAIN_SECONDS = 1.0  # before a worker that ended by itself is started again
MOST_LINE = 16 * 1024 * 1024  # bytes; what a worker counts for some hundred tools is long


class WorkerError(Exception):
    """A worker did not start."""


def bound(family: int, address: tuple[object, ...]) -> socket.socket:
    """Return a socket with an address that others of this user may have too. Raises OSError.

    On Linux the kernel deals connections out evenly to all that listen on such an address. To
    those that share one socket it does not: whoever looks first takes all there are. Elsewhere they
    share one.
    """
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made


class _Hired:
    """One worker process. `listener` is the socket it accepts connections on."""

    def __init__(
        self,
        tail: Tail,
        setup: Callable[[], Setup],
        listener: socket.socket,
        say: Callable[[str], None],
    ) -> None:
        self.tail = tail
        self.last = Report("counts", ready=False)  # until it says so itself
        self._setup = setup
        self._say = say
        self._writer: asyncio.StreamWriter | None = None
        self._ready = asyncio.Event()
        self._counted = asyncio.Event()
        self._is_silent = False
        ours, theirs = socket.socketpair()
        self._socket = ours
        words = ["-m", "askfirst.collector.worker", str(listener.fileno()), str(theirs.fileno())]
        with theirs:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *words],
                stdin=subprocess.DEVNULL,
                pass_fds=(listener.fileno(), theirs.fileno()),
            )

    async def begin(self) -> None:
        """Tell the worker what it needs, and wait until it takes events. Raises WorkerError."""
        reader, writer = await asyncio.open_connection(sock=self._socket, limit=MOST_LINE)
        # what is in force now: an order given before this had nobody to go to
        writer.write(msgspec.json.encode(self._setup()) + b"\n")
        self._writer = writer
        self._listening = asyncio.create_task(self._listen(reader))
        ready = asyncio.create_task(self._ready.wait())
        await asyncio.wait(
            (ready, self._listening), timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not ready.done():
            ready.cancel()
            self.process.kill()
            raise WorkerError("a worker did not start; the lines above say why")
        self.tail.roll = self._roll_from(asyncio.get_running_loop())

    def tell(self, order: Order) -> None:
        """Send an order."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(msgspec.json.encode(order) + b"\n")

    async def count(self) -> None:
        """Have the worker say what it counts, and keep that in `last`.

        One that does not answer is not ready, whatever it said before.
        """
        if not self._ready.is_set() or self._listening.done():
            self.last.ready = False
            return
        self._counted.clear()
        self.tell(Order("count"))
        counted = asyncio.create_task(self._counted.wait())
        await asyncio.wait(
            (counted, self._listening), timeout=COUNT_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if counted.done():
            self._is_silent = False
            return
        counted.cancel()
        self.last.ready = False
        if not self._listening.done() and not self._is_silent:
            self._is_silent = True
            self._say("a worker does not answer")

    async def ended(self) -> None:
        """Wait until the process has ended, and take it off the system's list."""
        await self._listening
        await asyncio.to_thread(self.process.wait)
        if self._writer is not None:
            self._writer.close()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take what the worker says, until it ends; one that talks nonsense is ended."""
        try:
            async for line in reader:
                report = msgspec.json.decode(line, type=Report)
                if report.what == "ready":
                    self._ready.set()
                elif report.what == "say":
                    self._say(report.text)
                else:
                    self.last = report
                    self._counted.set()
        except ConnectionError:
            return
        except (ValueError, msgspec.DecodeError) as error:  # ValueError: a line without an end
            self._say(f"a worker says what cannot be understood ({error}); it is ended")
            self.process.kill()

    def _roll_from(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        return lambda: _quietly(loop, self.tell, Order("roll"))


class Workers:
    """All worker processes of a collector. `listener` has the address they listen on."""

    def __init__(
        self,
        collector: Collector,
        listener: socket.socket,
        application: str,
        pair: tuple[str, str] | None,
    ) -> None:
        self._collector = collector
        self._listener = listener
        self._application = application
        self._pair = pair
        self._hired: dict[str, _Hired] = {}
        self._listeners: dict[str, socket.socket] = {}
        self._gone: Counts = []  # what ended workers had counted: a counter must not go back
        self._keeping: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Start as many as the collector is to have. Raises WorkerError."""
        names = [str(number) for number in range(1, self._collector.config.workers + 1)]
        try:
            for name in names:
                self._hired[name] = self._hire(name)
        except OSError as error:
            raise WorkerError(f"a worker cannot listen: {reason_of(error)}") from error
        await asyncio.gather(*(hired.begin() for hired in self._hired.values()))
        self._keeping = [asyncio.create_task(self._keep(name)) for name in names]

    async def stop(self) -> None:
        """Have all of them answer what has begun, and end."""
        self._stopping = True
        for listener in self._listeners.values():
            listener.close()
        for hired in self._hired.values():
            hired.tell(Order("stop"))
        if not self._keeping:
            return
        _, late = await asyncio.wait(self._keeping, timeout=GRACE_SECONDS + 10)
        for hired in self._hired.values():
            if hired.process.poll() is None:
                hired.process.kill()  # its log holds what it acknowledged
        if late:
            await asyncio.wait(late)

    def tell(self, order: Order) -> None:
        """Send an order to all."""
        for hired in self._hired.values():
            hired.tell(order)

    async def reports(self) -> list[Report]:
        """Return what each counts, or counted when it last answered."""
        await asyncio.gather(*(hired.count() for hired in self._hired.values()))
        # read together: one that ended meanwhile has been added to the past
        return [hired.last for hired in self._hired.values()]

    def past(self) -> Counts:
        """Return what workers that have ended had counted."""
        return self._gone

    def _hire(self, name: str) -> _Hired:
        tail = self._collector.tails[name]
        if name not in self._listeners:
            self._listeners[name] = self._listener_of_its_own()
        return _Hired(tail, lambda: self._setup(tail), self._listeners[name], self._collector.say)

    def _listener_of_its_own(self) -> socket.socket:
        """Return a socket for a worker, and for the next in its place: connections that came when
        it had ended wait for that one.
        """
        listener = self._listener
        if sys.platform != "linux":
            return listener.dup()
        return bound(listener.family, listener.getsockname())

    def _setup(self, tail: Tail) -> Setup:
        config = self._collector.config
        return Setup(
            log_folder=os.fspath(tail.folder),
            contracts=[contract.as_dict() for contract in self._collector.contracts],
            limits=config.limits,
            application=self._application,
            segment_bytes=config.segment_bytes,
            waiting_bytes=config.waiting_bytes,
            quota_bytes=config.quota_bytes // log_count(config.workers),
            pair=self._pair,
        )

    async def _keep(self, name: str) -> None:
        """Start a worker again when it ends by itself."""
        while True:
            hired = self._hired[name]
            await hired.ended()
            if self._stopping:
                return
            self._gone = add_up((self._gone, hired.last.counts))
            hired.last = Report("counts", ready=False)
            self._collector.say(
                f"worker {name} ended by itself ({hired.process.returncode}); it is started again"
            )
            trouble = ""
            while not self._stopping:
                began = time.monotonic()
                try:
                    await self._start_again(name)
                except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
                    if name in self._listeners:  # others get the connections meanwhile
                        self._listeners.pop(name).close()
                    reason = str(error) or type(error).__name__
                    if reason != trouble:
                        trouble = reason
                        self._collector.say(f"worker {name} is still missing: {trouble}")
                await asyncio.sleep(max(0.0, AGAIN_SECONDS - (time.monotonic() - began)))
                if self._hired[name] is not hired:
                    break

    async def _start_again(self, name: str) -> None:
        """Start a worker in place of one that has ended. Raises whatever is in its way."""
        await self._collector.recover(self._collector.tails[name])
        if self._stopping:
            return
        self._hired[name] = self._hire(name)
        await self._hired[name].begin()
        if self._stopping:
            self._hired[name].tell(Order("stop"))


def _quietly(loop: asyncio.AbstractEventLoop, tell: Callable[[Order], None], order: Order) -> None:
    """Call from any thread; a loop that is closed has no workers any more."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(tell, order)
