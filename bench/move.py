"""Moves an embedded store to a ClickHouse server while its collector takes events, as an operator
does; kills the first copy in the middle; and compares every answer before and after.

    python bench/move.py [--events 10000000] [--clients 2] [--json]

The server is the engine that the tests use. The rest is real `askfirst serve` and `askfirst store
copy`. Ends with 1 if an event was lost or counted twice, or an answer differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from askfirst import questions  # noqa: E402
from askfirst.contract import loading  # noqa: E402
from askfirst.stores.base import DAY_MS, Events, Store  # noqa: E402
from askfirst.stores.opening import open_store  # noqa: E402
from tests.collector import retrying  # noqa: E402
from tests.collector.retrying import batches, clients, free_port, start_on  # noqa: E402
from tests.collector.serving import environment, servers, wait_until  # noqa: E402
from tests.stores.server import Server, started  # noqa: E402

CONTRACT = ROOT / "examples/stratus/stratus/telemetry.toml"
TOOL, DAYS, CHUNK = "stratus", 365, 100_000
PER_INSTALLATION = 200  # events in that time
SAME = "every event and every answer is the same there"
PATIENCE = 3600.0  # seconds

# `askfirst store copy`, which dies in an insert once so many events are there, or right after it:
# whoever looked from outside, and then killed it, could come too late
DIE = """
import os, sys, threading
from askfirst.__main__ import main
from askfirst.stores.clickhouse.arriving import Arrivals

left, insert = int(sys.argv.pop(1)), Arrivals._insert

def dying(self, table, rows):
    global left
    if left <= 0:
        threading.Timer(0.02, os.kill, (os.getpid(), 9)).start()
    insert(self, table, rows)
    if left <= 0:
        os.kill(os.getpid(), 9)
    left -= len(rows)

Arrivals._insert = dying
main()
"""


@dataclass
class Copied:
    """What a run of `askfirst store copy` took, in seconds, and said."""

    code: int
    seconds: float
    processor: float
    server: float
    said: str


class Trial:
    """A store, a server, and what was found wrong."""

    def __init__(self, folder: Path, server: Server, events: int) -> None:
        self.home = folder
        self.server = server
        self.url = server.new()
        self.events = events
        self.store = folder / "old.duckdb"
        self.problems: list[str] = []

    def check(self, right: object, text: str) -> None:
        if not right:
            self.problems.append(text)

    def at_server(self, what: str) -> list[int]:
        """Return numbers about the events that are there now."""
        database = urlsplit(self.url).path[1:]
        there = f"EXISTS {database}.events"
        if self.server.ask(there) == "0":
            return [0]
        return [int(n) for n in self.server.ask(f"SELECT {what} FROM {database}.events").split()]

    def copy(self, *, kill_at: int | None = None) -> Copied:
        """Run `askfirst store copy`; have it killed once so many events are there."""
        how = ["-m", "askfirst"] if kill_at is None else ["-c", DIE, str(kill_at)]
        words = ["store", "copy", "--store", str(self.store), "--to", self.url]
        began, before = time.monotonic(), self.server.processor_seconds()
        process = subprocess.Popen(
            [sys.executable, *how, *words],
            env=environment(self.home),
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        copied = Copied(
            process.returncode,
            time.monotonic() - began,
            usage.ru_utime + usage.ru_stime,
            self.server.processor_seconds() - before,
            said,
        )
        _tell(str(copied))
        return copied


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--clients", type=int, default=2, help="that deliver meanwhile")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    retrying.PATIENCE = PATIENCE  # of clients while no collector runs and all is compared
    with (
        tempfile.TemporaryDirectory(prefix="askfirst-bench-") as name,
        started(Path(name) / "clickhouse") as server,
    ):
        trial = Trial(Path(name), server, options.events)
        found = run(trial, options.clients)
    print(json.dumps(found, indent=2) if options.json else _table(found))
    if trial.problems:
        sys.exit("; ".join(trial.problems))


def run(trial: Trial, number: int) -> dict[str, Any]:
    """Fill, move, and check; return figures."""
    _tell(f"filling {trial.store.name} with {trial.events:,} events")
    began = time.monotonic()
    with closing(open_store(trial.store)) as store:
        store.declare(loading.load(str(CONTRACT)))
        for events in population(trial.events):
            store.load([events], {})
    filled, port = time.monotonic() - began, free_port()
    words = ("serve", "--contract", str(CONTRACT), "--requests-per-minute", "0", "--store")
    with ExitStack() as stack:
        begin = stack.enter_context(servers(trial.home))
        old = start_on(begin, port, *words, str(trial.store))
        running = stack.enter_context(clients(port, number))
        wait_until(lambda: batches(running) > 0, PATIENCE)
        copies = _copied_meanwhile(trial, running)
        _tell("stopping the collector")
        shut = time.monotonic()
        trial.check(old.stop() == 0, "the collector ended badly")
        stopped = time.monotonic() - shut
        copies["the last, with the collector stopped"] = last = trial.copy()
        trial.check(last.code == 0 and SAME in last.said, f"the last copy: {last.said}")
        _tell("comparing every answer")
        with closing(open_store(trial.store)) as before, closing(open_store(trial.url)) as after:
            today = _today()
            same = _answers(before, today) == _answers(after, today)
            trial.check(same, "an answer differs")
        new = start_on(begin, port, *words, trial.url)
        taken = batches(running)
        wait_until(lambda: batches(running) >= taken + 10 * number, PATIENCE)
        for client in running:
            client.finish()
        trial.check(new.stop() == 0, "the new collector ended badly")
    sent = sum(len(client.acknowledged) for client in running)
    _check_counts(trial, trial.events + sent)
    return {
        "events": trial.events,
        "sent meanwhile": sent,
        "filling s": round(filled, 1),
        "stopping s": round(stopped, 1),
        "runs": {
            name: {
                "exit": one.code,
                "s": round(one.seconds, 1),
                "CPU s": round(one.processor, 1),
                "server's CPU s": round(one.server, 1),
                "said": one.said.splitlines(),
            }
            for name, one in copies.items()
        },
        "problems": trial.problems,
    }


def _copied_meanwhile(trial: Trial, running: list[Any]) -> dict[str, Copied]:
    """Copy while events come, killed in the middle and begun again."""
    _tell("copying, to be killed")
    copies = {"the first, killed in the middle": trial.copy(kill_at=trial.events // 3)}
    [there] = trial.at_server("count()")
    trial.check(0 < there < trial.events, f"it was killed with {there:,} events there")
    _tell(f"copying again: {there:,} events are there")
    taken = batches(running)
    copies["the second, which goes on"] = second = trial.copy()
    trial.check(second.code == 0 and SAME in second.said, f"the second copy: {second.said}")
    trial.check(batches(running) > taken, "nothing was taken while it was copied")
    return copies


def _check_counts(trial: Trial, due: int) -> None:
    with closing(open_store(trial.url)) as store:
        stored = questions.ask(store, "quality", TOOL, _today())["stored"]
        counted = store.count(TOOL)
    rows, different = trial.at_server("count(), uniqExact(id_high, id_low)")
    found = {"rows": rows, "different ids": different, "counted": counted, "stored": stored}
    trial.check(set(found.values()) == {due}, f"{found} instead of {due} of each")


def _answers(store: Store, today: date) -> list[str]:
    days = (today, today - timedelta(days=100))
    return [
        json.dumps(questions.ask(store, name, tool, day), sort_keys=True)
        for tool in store.tools()
        for name in questions.NAMES
        for day in days
    ]


def _today() -> date:
    return datetime.now(timezone.utc).date()


def population(size: int) -> Iterator[Events]:
    """Yield events of a year until yesterday, of installations that update now and then."""
    chance = np.random.default_rng(7)
    people = np.frombuffer(chance.bytes(32 * max(size // PER_INSTALLATION, 100)), "V32")
    end = int(time.time() * 1000) // DAY_MS * DAY_MS
    versions = np.array(["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"], object)
    commands = np.array(["start", "stop", "restart", "reload"], object)
    names = np.array([f"{n:064x}" for n in range(2000)], object)
    for start in range(0, size, CHUNK):
        few = min(CHUNK, size - start)
        # as they came: each chunk is of some days
        low, high = (end - int(DAYS * DAY_MS * (1 - at / size)) for at in (start, start + few))
        moments = chance.integers(low, high, few)
        who = chance.integers(0, len(people), few)
        version = np.clip((moments - end + DAYS * DAY_MS) // (90 * DAY_MS) - who % 2, 0, 4)
        events = Events(TOOL)
        events.id = bytearray(chance.bytes(16 * few))
        events.timestamp = array("q", moments.tobytes())
        events.received = events.timestamp[:]
        events.installation = bytearray(people[who].tobytes())
        events.version = versions[version].tolist()
        events.command = commands[chance.integers(0, 4, few)].tolist()
        events.fields = {
            "application.name": names[who % 500 + chance.integers(0, 3, few)].tolist(),
            "application.env": names[chance.integers(0, 2, few)].tolist(),
            "runtime": versions[version].tolist(),
        }
        yield events


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _table(found: dict[str, Any]) -> str:
    lines = [
        f"{found['events']:,} events, and {found['sent meanwhile']:,} more that came meanwhile.",
        "",
        "| `askfirst store copy` | seconds | CPU seconds | the server's |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name, row in found["runs"].items():
        figures = " | ".join(str(row[key]) for key in ("s", "CPU s", "server's CPU s"))
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
