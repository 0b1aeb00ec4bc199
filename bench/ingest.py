"""What the collector's door takes, next to its floors, in one run on this machine.

    python bench/ingest.py [--seconds 60] [--workers 2] [--write FILE]
                           [--stored 50000000 | --stored-in FOLDER]

The load comes from wrk (Debian: `apt install wrk`) on the same cores, over loopback. The floors:
the same protocol with a handler that answers and does nothing (also with the loop's TLS), decoding
alone, and the log alone. With TLS there are two peers from PyPI, which answer and do nothing too.
`--stored` measures again with that many events in the store, those of a simulated year;
`--stored-in` with the store in FOLDER, of which it takes a copy. Processor time is what a busy
machine changes least. The table of budgets below is in `door.py`.
Every request carries events of its own: fresh ids, so that the loader behind has real work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import door
import empty
import filled
import load
import msgspec

CONTRACT = """
[tool]
name = "stratus"
title = "Stratus CLI"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 395
commands = ["start", "stop", "restart", "reload"]
[fields.runtime]
treatment = "version"
purpose = "Which runtime versions must we keep supporting?"
[fields."application.name"]
treatment = "hash"
purpose = "How many applications do you build?"
[fields."application.env"]
treatment = "hash"
purpose = "How many environments do you use?"
"""


BEGIN, END = "<!-- bench/ingest.py begin -->", "<!-- bench/ingest.py end -->"
FLOOR_SECONDS = 10  # a floor needs no longer burst: nothing piles up behind it
TLS_THREADS = 2  # of wrk: shaking hands takes it as long as the other side
# each: a row, events a request, connections
BURSTS = ((door.SINGLES, 1, 256), (door.BATCHES, 100, 64))


def _measure(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the rows of the table, and say each as it comes."""
    rows: list[dict[str, Any]] = []

    def report(name: str, events: int, measured: dict[str, float]) -> None:
        rows.append({"case": name, "events_per_request": events, **measured})
        print(f"{name}: {rows[-1]}", file=sys.stderr)

    report("decoding alone", 100, _decoding())
    report("the log alone", 100, _log_alone(min(options.seconds, FLOOR_SECONDS)))
    report(door.FLOOR, 0, _empty(empty.HANDLER, 0, 64, options))
    report(empty.HANDLER, 1, _empty(empty.HANDLER, 1, 256, options))
    report(empty.HANDLER, 100, _empty(empty.HANDLER, 100, 64, options))
    for name in (empty.HANDLER, empty.GRANIAN, empty.UVICORN):
        case = f"{name}, a new TLS connection each" if name == empty.HANDLER else name
        report(case, 1, _empty(name, 1, 64, options, tls=True))
    for case, events, connections in BURSTS:
        with _collector(options) as server:
            report(case, events, _loaded(server, events, connections, options))
    with _collector(options, tls=True) as server:
        report(door.TLS, 1, _loaded(server, 1, 64, options, close=True))
    if options.stored or options.stored_in:
        with filled.filled(CONTRACT, options.stored, options.stored_in) as source:
            for case, events, connections in BURSTS:
                with _collector(options, source) as server:
                    measured = _loaded(server, events, connections, options)
                report(f"{case}{door.STORED}{server.stored:,}", events, measured)
    return rows


def main() -> None:
    """Measure, and print Markdown tables."""
    options = _options()
    if options.store:
        import collectors

        words = ["--events", str(options.events)] if options.events else []
        words += ["--json"] if options.json else []
        collectors.main(["--store", options.store, *words])
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; on Debian: apt install wrk")
    rows = _measure(options)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(_text(rows))
    if options.write:
        head, begin, rest = options.write.read_text().partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not end:
            sys.exit(f"there is no {BEGIN} and {END} to write between")
        text = f"{_surroundings(options)}\n\n{_text(rows)}"
        options.write.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def _surroundings(options: argparse.Namespace) -> str:
    stored = f" --stored {options.stored}" if options.stored else ""
    if options.stored_in:
        stored = " --stored-in FOLDER"
    return (
        f"`bench/ingest.py --seconds {options.seconds}{stored}`, {options.workers} workers, "
        f"CPython {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[1]:.1f} over the last five minutes, the bench's own included."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="length of each burst")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of wrk")
    stored = parser.add_mutually_exclusive_group()
    stored.add_argument("--stored", type=int, default=0, help="about so many events beforehand")
    stored.add_argument(
        "--stored-in",
        type=Path,
        metavar="FOLDER",
        help="a store beforehand, of which a copy is used",
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into FILE too")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--store", metavar="clickhouse[://…]", help="measure collectors that share a server instead"
    )
    parser.add_argument("--events", type=int, help="for each of those collectors")
    return parser.parse_args()


# The collector


class _Server:
    """A real `askfirst serve`, on a store of its own in `folder` that holds so many events."""

    def __init__(self, folder: Path, *words: str, stored: int = 0) -> None:
        self.stored = stored
        (folder / "telemetry.toml").write_text(CONTRACT)
        environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "askfirst", "serve", "--contract", "telemetry.toml", "--store",
             filled.STORE, "--port", "0", "--log-quota", "64GiB", *words],
            cwd=folder, env=environ, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("listening on"):
                self.url = line.split()[-1]
                break
        else:
            raise SystemExit("the collector did not start")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def counter(self, name: str) -> float:
        """Return what a counter stands at, over all its labels."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # our own, for this run
        with urllib.request.urlopen(f"{self.url}/metrics", context=context) as answer:
            text = answer.read().decode()
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, found))

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """Give a list that gets its resident memory (MB) each second, and once more at the end."""
        seen: list[float] = []
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(1.0):
                seen.append(self.resident())

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join()
            seen.append(self.resident())

    def resident(self) -> float:
        """Return the resident memory of all its processes, shared pages shared out, in MB."""
        total = 0
        for number in [self.process.pid, *empty.children(self.process.pid)]:
            for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total / 1024

    def processor_seconds(self) -> tuple[float, float]:
        """Return what the processes took so far: the one with the store, and all workers."""
        own = empty.processor_seconds(self.process.pid)
        return own, sum(map(empty.processor_seconds, empty.children(self.process.pid)))

    def stop(self) -> float:
        """Stop it; return how many seconds it took to load what was left."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stderr is not None
        self.process.stderr.read()
        self.process.wait()
        return time.monotonic() - began


@contextmanager
def _collector(
    options: argparse.Namespace, source: Path | None = None, *, tls: bool = False
) -> Iterator[_Server]:
    """Run a collector, on a copy of the store in `source` if one is given."""
    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
        stored = filled.copy(source, Path(name)) if source else 0
        words = ["--workers", str(options.workers), *(empty.certificate(Path(name)) if tls else ())]
        with _Server(Path(name), *words, stored=stored) as server:
            yield server


def _loaded(
    server: _Server,
    events: int,
    connections: int,
    options: argparse.Namespace,
    *,
    close: bool = False,
) -> dict[str, float]:
    before = server.processor_seconds()
    with server.watched() as resident:
        measured = load.send(
            server.url,
            events,
            connections,
            options.seconds,
            threads=TLS_THREADS if close else options.threads,
            close=close,
        )
    after = server.processor_seconds()
    accepted = server.counter("askfirst_events_accepted_total")
    behind = server.counter("askfirst_events_stored_total") + server.counter(
        "askfirst_events_duplicate_total"
    )
    requests = accepted / events
    own, workers = (end - begin for begin, end in zip(before, after, strict=True))
    at_door = workers if options.workers > 1 else own
    left = accepted - behind
    seconds = server.stop()
    return {
        **measured,
        "events/s": accepted / measured["seconds"],
        "loaded meanwhile/s": behind / measured["seconds"],
        "drained/s": left / seconds if left > 50_000 else float("nan"),
        "resident MB": max(resident),
        "door µs/request": at_door / requests * 1e6,
        "loader µs/event": own / max(behind, 1) * 1e6 if options.workers > 1 else float("nan"),
    }


# The floors


def _empty(
    name: str,
    events: int,
    connections: int,
    options: argparse.Namespace,
    *,
    tls: bool = False,
) -> dict[str, float]:
    """Measure a server that answers and does nothing."""
    with empty.serving(name, tls=tls) as server:
        before = server.processor_seconds()
        measured = load.send(
            server.url,
            events,
            connections,
            min(options.seconds, FLOOR_SECONDS),
            threads=TLS_THREADS if tls else options.threads,
            close=tls,
        )
        took = server.processor_seconds() - before
    requests = measured["requests/s"] * measured["seconds"]
    return {**measured, "door µs/request": took / requests * 1e6}


def _decoding() -> dict[str, float]:
    """Decode batches of 100 into typed structs, on one core."""
    event = msgspec.defstruct(
        "Event",
        [
            ("id", str), ("installationId", str), ("application", dict[str, str]),
            ("timestamp", int), ("cli", dict[str, str]), ("runtime", str),
        ],
    )  # fmt: skip
    batch = msgspec.defstruct("Batch", [("tool", str), ("events", list[event])])  # type: ignore[valid-type]
    body = msgspec.json.encode(
        {
            "tool": "stratus",
            "events": [
                {
                    "id": "1ca6c0d7-45cb-4547-9c0d-5af6295d0ece",
                    "installationId": "9d" * 32,
                    "application": {"name": "92" * 32, "env": "95" * 32},
                    "timestamp": 1795417883502,
                    "cli": {"version": "1.3.1", "command": "start"},
                    "runtime": "2.0.0",
                }
            ]
            * 100,
        }
    )
    decode = msgspec.json.Decoder(batch).decode
    return _repeated(lambda: decode(body), 100)


def _repeated(work: Callable[[], object], events: int) -> dict[str, float]:
    began, times = time.perf_counter(), 0
    while time.perf_counter() - began < 2.0:
        for _ in range(50):
            work()
        times += 50
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "requests/s": times / seconds, "events/s": times * events / seconds}


def _log_alone(seconds: int) -> dict[str, float]:
    """Bring frames of 100 events to the medium, 64 at a time, one fsync for those that wait."""
    from askfirst.collector.log import Log
    from askfirst.collector.tail import Tail

    async def write(log: Log) -> tuple[int, float]:
        began, times = time.perf_counter(), 0
        payload = os.urandom(20_000)
        while time.perf_counter() - began < seconds:
            await asyncio.gather(*(log.write(payload) for _ in range(64)))
            times += 64
        return times, time.perf_counter() - began

    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
        Tail(Path(name), lambda _: None, print)
        log = Log(Path(name), quota_bytes=1 << 40)
        times, took = asyncio.run(write(log))
        log.close()
    return {"seconds": took, "requests/s": times / took, "events/s": times * 100 / took}


COLUMNS = (
    "requests/s",
    "events/s",
    "p99 ms",
    "loaded meanwhile/s",
    "drained/s",
    "resident MB",
    "load µs/request",
    "door µs/request",
    "loader µs/event",
)


def _text(rows: Sequence[dict[str, Any]]) -> str:
    return f"{_table(rows)}\n\n{door.table(list(rows))}"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| | events a request | " + " | ".join(COLUMNS) + " |",
        "| --- | ---: |" + " ---: |" * len(COLUMNS),
    ]
    for row in rows:
        cells = [_cell(row.get(name)) for name in COLUMNS]
        lines.append(f"| {row['case']} | {row['events_per_request']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


if __name__ == "__main__":
    main()
