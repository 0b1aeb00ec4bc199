"""What the collector's door takes, next to its floors, in one run on this machine.

    python bench/ingest.py [--seconds 10] [--workers 2] [--json]

The load comes from wrk (Debian: `apt install wrk`) on the same cores, over loopback. The floors are
the same protocol with a handler that answers and does nothing, decoding alone, and the log alone.
Every request carries events of its own: fresh ids, so that the loader behind has real work.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
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

# wrk runs this in each of its threads. Ids are random, installations are one of 20,000.
SCRIPT = """
local per = %(events)d
local now = %(now)d
local counter = 0
function setup(thread) counter = counter + 1; thread:set("seed", counter * 7919 + %(seed)d) end
function init(args)
  math.randomseed(seed)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  %(close)s
  hex = {}
  for i = 0, 65535 do hex[i] = string.format("%%04x", i) end
  people, apps = {}, {}
  for i = 1, 20000 do
    people[i] = string.rep(string.format("%%08x", i * 2654435 %% 4294967295), 8)
  end
  for i = 1, 500 do apps[i] = string.rep(string.format("%%08x", i * 40503), 8) end
  commands = {"start", "stop", "restart", "reload"}
  versions = {"1.2.0", "1.3.0", "1.3.1", "1.4.0"}
end
local r = math.random
function event()
  local who = r(20000)
  return '{"id":"' .. hex[r(0, 65535)] .. hex[r(0, 65535)] .. '-' .. hex[r(0, 65535)] .. '-7' ..
    string.sub(hex[r(0, 65535)], 2) .. '-a' .. string.sub(hex[r(0, 65535)], 2) .. '-' ..
    hex[r(0, 65535)] .. hex[r(0, 65535)] .. hex[r(0, 65535)] ..
    '","installationId":"' .. people[who] .. '","application":{"name":"' .. apps[r(500)] ..
    '","env":"' .. apps[r(3)] .. '"},"timestamp":' .. (now - r(0, 86400000)) ..
    ',"cli":{"version":"' .. versions[r(4)] .. '","command":"' .. commands[r(4)] ..
    '"},"runtime":"2.0.0"}'
end
local pool = {}
function request()
  -- forming 100 fresh events costs wrk more than taking them costs us, so most of a large batch is
  -- put together from events formed before, each with a fresh id
  local parts = {}
  if per == 1 then
    parts[1] = event()
  else
    for i = 1, per do
      local old = pool[r(4096)]
      if not old then old = event(); pool[#pool + 1] = old end
      parts[i] = '{"id":"' .. hex[r(0, 65535)] .. hex[r(0, 65535)] .. string.sub(old, 16)
    end
  end
  return wrk.format(nil, "/v1/events", nil,
    '{"tool":"stratus","events":[' .. table.concat(parts, ",") .. ']}')
end
bad = 0
function response(status) if status ~= 200 then bad = bad + 1 end end
"""


def main() -> None:
    """Measure, and print a Markdown table."""
    options = _options()
    if options.store:
        import collectors

        collectors.main(["--store", options.store, *(["--json"] if options.json else [])])
        return
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed; on Debian: apt install wrk")
    rows: list[dict[str, Any]] = []

    def report(name: str, events: int, measured: dict[str, float]) -> None:
        rows.append({"case": name, "events_per_request": events, **measured})
        print(f"{name}: {rows[-1]}", file=sys.stderr)

    report("decoding alone", 100, _decoding())
    report("the log alone", 100, _log_alone(options.seconds))
    with _empty_handler() as url:
        report("empty handler", 1, _wrk(url, 1, 256, options))
    with _collector(options) as server:
        report("askfirst, single events", 1, _loaded(server, 1, 256, options))
    with _collector(options) as server:
        report("askfirst, batches of 100", 100, _loaded(server, 100, 64, options))
    with _collector(options, tls=True) as server:
        close = 'wrk.headers["Connection"] = "close"'
        measured = _loaded(server, 1, 64, options, close)
        report("askfirst, a new TLS connection each", 1, measured)
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(_table(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="length of each burst")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of wrk")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--store", metavar="clickhouse[://…]", help="measure collectors that share a server instead"
    )
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
        server = _Server(Path(name), *words)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.process.kill()
                server.process.wait()


def _certificate(folder: Path) -> list[str]:
    """Make a certificate of the kind that is usual now (ECDSA P-256); return the options for it."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    issued.private_key_pem.write_to_path(folder / "key.pem")
    for part in issued.cert_chain_pems:
        part.write_to_path(folder / "cert.pem", append=True)
    return ["--tls-cert", "cert.pem", "--tls-key", "key.pem"]


def _loaded(
    server: _Server, events: int, connections: int, options: argparse.Namespace, close: str = ""
) -> dict[str, float]:
    before = server.processor_seconds()
    measured = _wrk(server.url, events, connections, options, close)
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
        "loader µs/event": own / behind * 1e6 if options.workers > 1 else float("nan"),
    }


def _processor_seconds(number: int) -> float:
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _children(number: int) -> list[int]:
    found = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    return [int(text) for text in found]


# The load


def _wrk(
    url: str, events: int, connections: int, options: argparse.Namespace, close: str = ""
) -> dict[str, float]:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            SCRIPT
            % {
                "events": events,
                "now": int(time.time() * 1000) - 60_000,
                "seed": time.monotonic_ns() % 1_000_000,
                "close": close,
            }
        )
        script.flush()
        done = subprocess.run(
            ["wrk", "-t", str(options.threads), "-c", str(connections), "-d",
             f"{options.seconds}s", "--latency", "-s", script.name, url],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    text = done.stdout
    if "Non-2xx" in text:
        print(text, file=sys.stderr)
    requests, seconds = re.findall(r"(\d+) requests in ([\d.]+)s", text)[0]
    [p99] = re.findall(r"99%\s+([\d.]+)(us|ms|s)", text)
    scale = {"us": 0.001, "ms": 1.0, "s": 1000.0}[p99[1]]
    return {
        "seconds": float(seconds),
        "requests/s": int(requests) / float(seconds),
        "events/s": int(requests) * events / float(seconds),
        "p99 ms": float(p99[0]) * scale,
    }


# The floors


EMPTY = """
import asyncio, sys, httptools, uvloop
ANSWER = (b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: 27\\r\\n\\r\\n"
          b'{"accepted":1,"dropped":[]}')
class Empty(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.parser = transport, httptools.HttpRequestParser(self)
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_message_complete(self):
        self.transport.write(ANSWER)
async def main():
    server = await asyncio.get_running_loop().create_server(Empty, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
uvloop.run(main())
"""


@contextmanager
def _empty_handler() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-c", EMPTY], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


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
