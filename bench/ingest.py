"""What the collector's door takes, next to its floors, in one run on this machine.

    python bench/ingest.py [--seconds 10] [--workers 2] [--stored 50000000] [--write FILE]

The load comes from wrk (Debian: `apt install wrk`) on the same cores, over loopback. The floors:
the same protocol with a handler that answers and does nothing (also with the loop's TLS), decoding
alone, and the log alone. `--stored` measures again with that many events in the store, those of a
simulated year. Processor time is what a busy machine changes least.
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
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import load
import msgspec
import trustme

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
A_YEAR = 222  # events of a simulated installation, and a few more or less


def main() -> None:
    """Measure, and print a Markdown table."""
    options = _options()
    if options.store:
        import collectors

        words = ["--events", str(options.events)] if options.events else []
        words += ["--json"] if options.json else []
        collectors.main(["--store", options.store, *words])
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; on Debian: apt install wrk")
    rows: list[dict[str, Any]] = []

    def report(name: str, events: int, measured: dict[str, float]) -> None:
        rows.append({"case": name, "events_per_request": events, **measured})
        print(f"{name}: {rows[-1]}", file=sys.stderr)

    report("decoding alone", 100, _decoding())
    report("the log alone", 100, _log_alone(options.seconds))
    report("empty handler", 1, _empty(1, 256, options))
    report("empty handler", 100, _empty(100, 64, options))
    report("empty handler, a new TLS connection each", 1, _empty(1, 64, options, tls=True))
    with _collector(options) as server:
        report("askfirst, single events", 1, _loaded(server, 1, 256, options))
    with _collector(options) as server:
        report("askfirst, batches of 100", 100, _loaded(server, 100, 64, options))
    with _collector(options, tls=True) as server:
        measured = _loaded(server, 1, 64, options, close=True)
        report("askfirst, a new TLS connection each", 1, measured)
    if options.stored:
        with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
            stored = _fill(Path(name), options.stored)
            for kind, events, connections in (
                ("batches of 100", 100, 64),
                ("single events", 1, 256),
            ):
                with _Server(Path(name), "--workers", str(options.workers)) as server:
                    measured = _loaded(server, events, connections, options)
                report(f"askfirst, {kind}, {stored:,} stored before", events, measured)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(_table(rows))
    if options.write:
        head, begin, rest = options.write.read_text().partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not end:
            sys.exit(f"there is no {BEGIN} and {END} to write between")
        text = f"{_surroundings(options)}\n\n{_table(rows)}"
        options.write.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def _surroundings(options: argparse.Namespace) -> str:
    return (
        f"`bench/ingest.py --seconds {options.seconds}`, {options.workers} workers, "
        f"CPython {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[1]:.1f} over the last five minutes, the bench's own included."
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="length of each burst")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of wrk")
    parser.add_argument("--stored", type=int, default=0, help="about so many events beforehand")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into FILE too")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--store", metavar="clickhouse[://…]", help="measure collectors that share a server instead"
    )
    parser.add_argument("--events", type=int, help="for each of those collectors")
    return parser.parse_args()


# The collector


class _Server:
    """A real `askfirst serve`, plain HTTP, on a store of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        (folder / "telemetry.toml").write_text(CONTRACT)
        environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "HOME": str(folder)}
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "askfirst", "serve", "--contract", "telemetry.toml", "--store",
             "store.duckdb", "--port", "0", "--log-quota", "64GiB", *words],
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

    def resident(self) -> float:
        """Return the resident memory of all its processes, shared pages shared out, in MB."""
        total = 0
        for number in [self.process.pid, *_children(self.process.pid)]:
            for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total / 1024

    def processor_seconds(self) -> tuple[float, float]:
        """Return what the processes took so far: the one with the store, and all workers."""
        own = _processor_seconds(self.process.pid)
        return own, sum(map(_processor_seconds, _children(self.process.pid)))

    def stop(self) -> float:
        """Stop it; return how many seconds it took to load what was left."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stderr is not None
        self.process.stderr.read()
        self.process.wait()
        return time.monotonic() - began


@contextmanager
def _collector(options: argparse.Namespace, *, tls: bool = False) -> Iterator[_Server]:
    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
        words = ["--workers", str(options.workers), *(_certificate(Path(name)) if tls else ())]
        with _Server(Path(name), *words) as server:
            yield server


def _fill(folder: Path, events: int) -> int:
    """Fill a store in a folder with about so many events; return how many it has then."""
    (folder / "telemetry.toml").write_text(CONTRACT)
    people = str(max(1, events // A_YEAR))
    done = subprocess.run(
        [sys.executable, "-m", "askfirst", "simulate", "--contract", "telemetry.toml", "--store",
         "store.duckdb", "--installations", people, "--days", "365", "--seed", "1"],
        cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    [stored] = re.findall(r"stored ([\d,]+) events", done.stdout)
    return int(stored.replace(",", ""))


def _certificate(folder: Path) -> list[str]:
    """Make a certificate of the kind that is usual now (ECDSA P-256); return the options for it."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    return ["--tls-cert", "cert.pem", "--tls-key", "key.pem"]


def _loaded(
    server: _Server,
    events: int,
    connections: int,
    options: argparse.Namespace,
    *,
    close: bool = False,
) -> dict[str, float]:
    before = server.processor_seconds()
    measured = load.send(
        server.url, events, connections, options.seconds, threads=options.threads, close=close
    )
    after = server.processor_seconds()
    accepted = server.counter("askfirst_events_accepted_total")
    behind = server.counter("askfirst_events_stored_total") + server.counter(
        "askfirst_events_duplicate_total"
    )
    resident = server.resident()
    requests = accepted / events
    own, workers = (end - begin for begin, end in zip(before, after, strict=True))
    door = workers if options.workers > 1 else own
    left = accepted - behind
    seconds = server.stop()
    return {
        **measured,
        "events/s": accepted / measured["seconds"],
        "loaded meanwhile/s": behind / measured["seconds"],
        "drained/s": left / seconds if left > 50_000 else float("nan"),
        "resident MB": resident,
        "door µs/request": door / requests * 1e6,
        "loader µs/event": own / max(behind, 1) * 1e6 if options.workers > 1 else float("nan"),
    }


def _processor_seconds(number: int) -> float:
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(number: int) -> list[int]:
    found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(text) for text in found]


# The floors


EMPTY = """
import asyncio, sys, httptools, ssl, uvloop
ANSWER = (b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: 27\\r\\n\\r\\n"
          b'{"accepted":1,"dropped":[]}')
class Empty(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_message_complete(self):
        self.transport.write(ANSWER)
        if not self.parser.should_keep_alive():
            self.transport.close()
async def main():
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0
        context.load_cert_chain("cert.pem", "key.pem")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Empty, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""


def _empty(
    events: int, connections: int, options: argparse.Namespace, *, tls: bool = False
) -> dict[str, float]:
    """Measure one process that answers and does nothing."""
    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
        words = _certificate(Path(name)) if tls else []
        process = subprocess.Popen(
            [sys.executable, "-c", EMPTY, *words], stdout=subprocess.PIPE, text=True, cwd=name
        )
        assert process.stdout is not None
        try:
            url = f"{'https' if tls else 'http'}://127.0.0.1:{int(process.stdout.readline())}"
            before = _processor_seconds(process.pid)
            measured = load.send(
                url, events, connections, options.seconds, threads=options.threads, close=tls
            )
            took = _processor_seconds(process.pid) - before
        finally:
            process.kill()
            process.wait()
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
