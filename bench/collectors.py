"""What one and two collectors bring into a ClickHouse server, next to one with the embedded store.

    python bench/collectors.py [--store clickhouse | clickhouse://…] [--events 1000000] [--json]

`bench/ingest.py --store …` does this too. Each collector is a real `askfirst serve` and is sent as
many events, in requests of 1,000 that were formed before (500 bytes of memory each). Measured from
the first request until the last event is in the store: the rate, and the CPU that each event costs
collectors and server. All share one machine's cores, so what the rates of one and two collectors
say about scaling ends where those do; the CPU of an event says the rest. A server that is named
gets the events in the database that is named.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import secrets
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from askfirst.stores.clickhouse.connecting import Address, connect  # noqa: E402
from tests.collector.serving import Server as Collector  # noqa: E402
from tests.collector.serving import servers, wait_until  # noqa: E402
from tests.stores import server as clickhouse  # noqa: E402

CONTRACT = ROOT / "examples/stratus/stratus/telemetry.toml"
EVENTS = 1_000_000  # 10 s with the embedded store
BATCH, PEOPLE, DAY_MS = 1000, 20_000, 86_400_000
WORKED = "SELECT value / 1e6 FROM system.events WHERE event = 'OSCPUVirtualTimeMicroseconds'"
PATIENCE = 3600.0  # seconds
CORES = (2, 3, 4)  # for which a rate is worked out


class Elsewhere:
    """A server that runs already."""

    def __init__(self, url: str) -> None:
        self._client = connect(Address.of(url), database="")

    def processor_seconds(self) -> float:
        """Return what its threads took so far."""
        return float(str(self._client.command(WORKED)))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--store", default="clickhouse", metavar="clickhouse[://…]")
    parser.add_argument("--events", type=int, default=EVENTS, help="for each collector")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    rows = []
    with tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name:
        folder = Path(name)
        rows.append(_measured(folder / "embedded", [str(folder / "s.duckdb")], None, options))
        with _server(folder, options.store) as (server, url):
            for number in (1, 2):
                target = url if "://" in options.store else server.new()
                rows.append(_measured(folder / str(number), [target] * number, server, options))
    print(json.dumps(rows, indent=2) if options.json else _table(rows))


@contextmanager
def _server(folder: Path, store: str) -> Iterator[tuple[Any, str]]:
    """Give a server that is started here, or one that runs, and its URL."""
    if "://" in store:
        yield Elsewhere(store), store
        return
    with clickhouse.started(folder / "clickhouse") as server:
        yield server, ""


def _measured(
    folder: Path, stores: list[str], server: Any, options: argparse.Namespace
) -> dict[str, Any]:
    words = ("serve", "--contract", str(CONTRACT), "--requests-per-minute", "0", "--store")
    bodies = [list(_bodies(options.events)) for _ in stores]
    due = options.events * len(stores)
    with ExitStack() as stack:
        begun = [
            stack.enter_context(servers(folder / str(n)))(*words, store)
            for n, store in enumerate(stores)
        ]
        before = [_processor_seconds(one) for one in begun]
        at_server = server.processor_seconds() if server else 0.0
        began = time.monotonic()
        senders = [
            threading.Thread(target=_send, args=(one.url, few))
            for one, few in zip(begun, bodies, strict=True)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        accepted = time.monotonic() - began
        wait_until(lambda: sum(_stored(one) for one in begun) >= due, PATIENCE)
        seconds = time.monotonic() - began
        own = sum(map(_processor_seconds, begun)) - sum(before)
        at_server = server.processor_seconds() - at_server if server else float("nan")
        for one in begun:
            one.stop()
    return {
        "collectors": len(stores),
        "store": "ClickHouse" if "://" in stores[0] else "embedded",
        "events": due,
        "accepted/s": due / accepted,
        "stored/s": due / seconds,
        "collectors' µs/event": own / due * 1e6,
        "server's µs/event": at_server / due * 1e6,
    }


def _bodies(events: int) -> Iterator[bytes]:
    """Yield requests: fresh random ids, moments of the last day."""
    chance = random.Random()  # of the system's own randomness
    now, people = int(time.time() * 1000) - 60_000, [secrets.token_hex(32) for _ in range(PEOPLE)]
    for start in range(0, events, BATCH):
        batch = [
            {
                "id": str(uuid.UUID(bytes=chance.randbytes(16), version=4)),
                "installationId": chance.choice(people),
                "timestamp": now - chance.randrange(DAY_MS),
                "cli": {"version": "1.3.1", "command": "start"},
                "application": {"name": "92" * 32, "env": "95" * 32},
                "runtime": "2.0.0",
            }
            for _ in range(min(BATCH, events - start))
        ]
        yield json.dumps({"tool": "stratus", "events": batch}).encode()


def _send(url: str, bodies: list[bytes]) -> None:
    where = urlsplit(url)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=PATIENCE)
    for body in bodies:
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200 or json.loads(response.read())["dropped"]:
            raise SystemExit(f"a request was answered with {response.status}, or dropped events")
    connection.close()


def _stored(collector: Collector) -> int:
    with urllib.request.urlopen(f"{collector.url}/metrics") as answer:
        found = re.search(
            r"^askfirst_events_stored_total (\S+)$", answer.read().decode(), re.MULTILINE
        )
    return int(float(found[1])) if found else 0


def _processor_seconds(collector: Collector) -> float:
    said = Path(f"/proc/{collector.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")


def _table(rows: list[dict[str, Any]]) -> str:
    titles = [name for name in rows[0] if name not in ("collectors", "store")]
    lines = [
        f"| | {' | '.join(titles)} |",
        f"| --- |{' ---: |' * len(titles)}",
    ]
    for row in rows:
        cells = ["" if math.isnan(row[name]) else f"{row[name]:,.0f}" for name in titles]
        what = f"{row['collectors']} with {row['store']}"
        lines.append(f"| {what} | {' | '.join(cells)} |")
    last = rows[-1]
    own, its = last["collectors' µs/event"], last["server's µs/event"]
    embedded, one, two = (row["stored/s"] for row in rows)
    rates = ", ".join(f"{cores * 1e6 / (own + its):,.0f} on {cores}" for cores in CORES)
    most = f"{1e6 / own:,.0f} is what one collector brings at the most."
    scaled = f"Two collectors stored {two / one:.2f} times what one did"
    beside = f"one with ClickHouse {one / embedded:.2f} times what one with the embedded store did"
    lines += ["", f"{scaled}; {beside}."]
    lines += ["", f"If nothing else ran, in events a second: {rates} cores; {most}"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
