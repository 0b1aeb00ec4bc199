"""A fuzzer over HTTP: `python -m tests.collector.hostile.fuzz --start --requests 1000000 --seed 1`.

It prints what came of it as a table (docs/tested.md).

It sends requests that are almost right over many connections and holds the collector to this: no
status of 5xx but 503, no hang, no answer that is not as described, no undeclared byte on the disk,
no address anywhere, memory within bounds. Exit code 1, and the input in `--keep`, if one fails.
With `--server` it looks at answers alone: files and memory are on the server's machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from askfirst.contract.event import now_ms
from tests.collector.hostile.mutation import ADDRESS, MARK, Made, make, remake
from tests.collector.hostile.test_privacy import rows, written
from tests.collector.hostile.wire import Reply, collector, complaints, memory, parse
from tests.collector.serving import Server

ANSWER_SECONDS = 60.0  # an erasure waits for the store; what takes longer is a hang
MOST_KEPT = 300  # inputs of a worker that got an answer nobody had seen
GROWTH_BYTES = 300 * 2**20  # what the store may cache, and 32 bodies at once
MOST_ON_CONNECTION = 50


class Found(Exception):  # noqa: N818 - what was found is for a person to judge
    """The collector did what it must not; `data` is what made it."""

    def __init__(self, what: str, data: bytes = b"") -> None:
        self.what, self.data = what, data
        super().__init__(what)


@dataclass
class Tally:
    """What came back."""

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    closed: int = 0
    seen: set[tuple[object, ...]] = field(default_factory=set)
    memory: tuple[int, int] = (0, 0)  # bytes, of all processes: before, and at most
    looked_at: tuple[int, int] = (0, 0)  # files and the like, and their bytes
    stored: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0  # of the fuzzer and the collector together

    def table(self) -> str:
        """Return what came of it, in Markdown; nothing that must not be was found."""
        before, most = (size >> 20 for size in self.memory)
        files, size = self.looked_at
        rows = [
            ("requests", f"{self.sent:,}"),
            *((f"answered {status}", f"{n:,}") for status, n in sorted(self.statuses.items())),
            ("closed without an answer", f"{self.closed:,}"),
            ("5xx but 503", "0"),
            ("kinds of answers", f"{len(self.seen):,}"),
            ("events stored", f"{self.stored:,}"),
            ("undeclared bytes or addresses", f"0 in {files} places, {size / 1e6:,.0f} MB"),
            (
                "memory at first, at most",
                f"{before}, {most} MiB ({GROWTH_BYTES >> 20} more allowed)",
            ),
            ("time, processor time", f"{self.seconds:,.0f} s, {self.processor_seconds:,.0f} s"),
        ]
        lines = ["| | |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows)]
        return "\n".join(lines)

    def text(self) -> str:
        statuses = ", ".join(f"{status}: {n}" for status, n in sorted(self.statuses.items()))
        return f"{self.sent} requests; {statuses}; closed without an answer: {self.closed}"


class Worker:
    """One client after another, each with a connection of its own, from one seed."""

    def __init__(
        self, url: str, seed: str, now: int, number: int, tally: Tally, keep: Path | None
    ) -> None:
        where = urlsplit(url)
        self.host, self.port = str(where.hostname), where.port or 80
        self.chance = random.Random(seed)
        self.now = now
        self.number = number
        self.tally = tally
        self.keep = keep
        self.kept: list[bytes] = []
        self.waits_for = b""  # the request that has no answer yet
        self.since = time.monotonic()

    async def run(self) -> None:
        while self.number > 0:
            reader, writer = await asyncio.open_connection(self.host, self.port)
            try:
                for _ in range(MOST_ON_CONNECTION):
                    if self.number <= 0 or not await self._one(reader, writer):
                        break
            finally:
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Send a request; tell whether the connection can take another."""
        made = self._next()
        self.number -= 1
        self.tally.sent += 1
        self.waits_for, self.since = made.data, time.monotonic()
        try:
            reply = await self._exchange(made, reader, writer)
        except (ValueError, AssertionError, KeyError) as error:
            raise Found(f"an answer that is none: {error}", made.data) from error
        if reply is None:
            self.tally.closed += 1
            return False
        self._judge(made, reply)
        return made.whole and reply.headers.get("connection", "").lower() != "close"

    def _next(self) -> Made:
        if self.kept and self.chance.random() < 0.15:
            return remake(self.chance.choice(self.kept), self.chance)
        return make(self.chance, self.now)

    async def _exchange(
        self, made: Made, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Reply | None:
        """Return the last answer, or None if the connection ended without one."""
        data, last = b"", None
        try:
            writer.write(made.data)
            if not made.whole:
                writer.write_eof()
            while True:
                while (found := parse(data, head=made.head)) is not None:
                    last, data = found
                    if last.status != 100 and made.whole:
                        return last
                part = await reader.read(65536)
                if not part:
                    return last
                data += part
        except OSError:  # it has been closed, at whatever moment of ours
            return last

    def _judge(self, made: Made, reply: Reply) -> None:
        self.tally.statuses[reply.status] += 1
        if reply.status >= 500 and reply.status != 503:
            raise Found(f"status {reply.status}: {reply.body[:300]!r}", made.data)
        what: object = None
        if not made.head and reply.headers.get("content-type") == "application/json":
            answer = json.loads(reply.body or b"null")
            if reply.status >= 400 and (not isinstance(answer, dict) or list(answer) != ["error"]):
                raise Found(f"an error without a reason: {reply.body[:300]!r}", made.data)
            if MARK.encode() in reply.body:
                raise Found(f"what was sent comes back: {reply.body[:300]!r}", made.data)
            if isinstance(answer, dict):
                what = answer.get("error") or tuple(
                    sorted({row["reason"] for row in answer.get("dropped", [])})
                )
        self._remember(made, (made.data.split(b" ", 1)[0], reply.status, what))

    def _remember(self, made: Made, signature: tuple[object, ...]) -> None:
        """Keep an input that was answered as none before; changed a little, it may find more."""
        if signature in self.tally.seen or len(self.kept) >= MOST_KEPT:
            return
        self.tally.seen.add(signature)
        self.kept.append(made.data)
        if self.keep is not None:
            (self.keep / f"{len(self.tally.seen):05}.http").write_bytes(made.data)


async def attack(
    url: str, requests: int, seed: int, now: int, connections: int, keep: Path | None
) -> Tally:
    """Send so many requests. Raises Found."""
    tally, began = Tally(), time.monotonic()
    share = -(-requests // connections)
    workers = [Worker(url, f"{seed}.{n}", now, share, tally, keep) for n in range(connections)]
    tasks = [asyncio.ensure_future(worker.run()) for worker in workers]
    while pending := [task for task in tasks if not task.done()]:
        await asyncio.wait(pending, timeout=5, return_when=asyncio.FIRST_EXCEPTION)
        for worker, task in zip(workers, tasks, strict=True):
            if not task.done() and time.monotonic() - worker.since > ANSWER_SECONDS:
                raise Found("neither an answer nor an end", worker.waits_for)
        if sys.stderr.isatty():
            speed = tally.sent / (time.monotonic() - began)
            sys.stderr.write(f"\r{tally.text()} ({speed:.0f}/s) ")
        failed = [task for task in tasks if task.done() and task.exception()]
        if failed:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            failed[0].result()
    return tally


def look_at_disk(server: Server, home: Path, metrics: bytes) -> tuple[int, int]:
    """Look for what must be nowhere, running and stopped. Raises Found.

    Return how many places, and bytes.
    """
    pieces = {f"{name}, running": data for name, data in written(home).items()}
    code = server.stop()
    if code != 0 or complaints(server):
        raise Found(f"it ended with {code}, saying {server.errors[-2000:]}")
    pieces |= written(home)
    pieces |= {
        "metrics": metrics,
        "stderr": server.errors.encode(),
        "stdout": b"".join(server.output),
    }
    pieces["the store's rows"] = rows(home / "data" / "askfirst" / "askfirst.duckdb")
    for needle in (MARK.encode(), ADDRESS.encode(), bytes(map(int, ADDRESS.split(".")))):
        places = [name for name, data in pieces.items() if needle in data]
        if places:
            raise Found(f"{needle!r} is in {', '.join(places)}")
    return len(pieces), sum(map(len, pieces.values()))


def fuzz_own(
    folder: Path,
    requests: int,
    seed: int,
    now: int,
    connections: int,
    keep: Path | None,
    workers: int = 1,
) -> Tally:
    """Start a collector, attack it, and look at what it left. Raises Found."""
    options = (
        *("--trusted-proxy", "127.0.0.0/8"),
        *("--requests-per-minute", "0"),
        *("--workers", str(workers)),
    )
    with collector(folder, *options) as server:
        before, began = memory(server), time.monotonic()
        tally = uvloop.run(attack(server.url, requests, seed, now, connections, keep))
        tally.seconds = time.monotonic() - began
        if server.process.poll() is not None:
            raise Found(f"it ended: {server.errors[-2000:]}")
        tally.memory = before, memory(server)
        if tally.memory[1] - before > GROWTH_BYTES:
            raise Found(f"it took {(tally.memory[1] - before) >> 20} MiB more")
        metrics = server.call("GET", "/metrics").body
        tally.looked_at = look_at_disk(server, folder / "home", metrics)
    stored = re.search(rb"^askfirst_events_stored_total (\d+)$", metrics, re.MULTILINE)
    tally.stored = int(stored[1]) if stored else 0
    tally.processor_seconds = sum(os.times()[:4])
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Send a collector requests that are almost right.")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument(
        "--now", type=int, default=now_ms(), help="ms UTC; with the seed, to repeat"
    )
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1, help="of the collector with --start")
    parser.add_argument("--keep", type=Path, help="folder for inputs whose answer is new")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--server", metavar="URL", help="of a running collector, for tests alone")
    where.add_argument("--start", action="store_true", help="start one")
    options = parser.parse_args()
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    words = options.requests, options.seed, options.now, options.connections, options.keep
    print(f"--seed {options.seed} --now {options.now}", flush=True)  # noqa: T201
    try:
        if options.server:
            tally = uvloop.run(attack(options.server, *words))
        else:
            with tempfile.TemporaryDirectory() as folder:
                tally = fuzz_own(Path(folder), *words, options.workers)
    except Found as found:
        print(f"found: {found.what}")  # noqa: T201
        if found.data and options.keep:
            (options.keep / "found.http").write_bytes(found.data)
        print(repr(found.data[:3000]))  # noqa: T201
        return 1
    print(tally.table() if options.start else tally.text())  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
