"""How long each answer takes over a year of events, and how large the store is.

    python bench/questions.py --store DIR/store [--store clickhouse://…] [--events 50000000]
        [--installations 200000] [--days 365] [--rounds 3] [--keep] [--write docs/measured.md]

Fills a store with a simulated population, unless it has events already, and asks every report
`--rounds` times, each time in a new process: "cold" is what opening the store and answering take
there, without the imports, with the files in the system's cache if they fit. Beside each stands
the floor: numpy sums the columns of events that the question is about, from memory, as often.
"Overview" is the dashboard's page: the first time in a process, and again. CPU is that of the
process that asks, and of a server all that it worked meanwhile. Several stores take turns, their
answers are compared, and stand side by side. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from askfirst import questions
from askfirst.contract import loading
from askfirst.simulation import Population, arrivals, fill
from askfirst.stores.base import Store
from askfirst.stores.opening import open_store

TOOL = "stratus"
END = date(2026, 11, 24)
CONTRACT = Path(__file__).parents[1] / "examples/stratus/stratus/telemetry.toml"
BEGIN_MARK, END_MARK = "<!-- bench/questions.py begin -->", "<!-- bench/questions.py end -->"
MIB = 1 << 20
AGAIN = 3  # times that the overview is asked for again
PAGE = "page"

# bytes of the columns of an event: moment 8, and 4 for each of installation, version, command, …
ALL_EVENTS = {"active": 12, "updates": 16, "retention": 12}
OF_28_DAYS = {"applications": 16, "environments": 20, "commands": 20}

ASK = """
import json, sys, time
from datetime import date
import duckdb, numpy, pyarrow
from askfirst import questions
from askfirst.dashboard.selection import Selection
from askfirst.dashboard.views import overview
from askfirst.stores.opening import open_store
place, what, tool, day, again = sys.argv[1:]
day = date.fromisoformat(day)
worked = time.process_time
if "://" in place:
    from askfirst.stores.clickhouse.connecting import Address, connect
    server = connect(Address.of(place))
    cpu = "SELECT value / 1e6 FROM system.events WHERE event = 'OSCPUVirtualTimeMicroseconds'"
    worked = lambda: time.process_time() + float(server.command(cpu))
times, answer = [], None
before, began = worked(), time.perf_counter()
store = open_store(place, create=False)
for _ in range(1 + int(again)):
    if what == "page":
        overview.view(store, Selection(tool, day, day))
    else:
        answer = questions.ask(store, what, tool, day)
    seconds = time.perf_counter() - began
    times.append((seconds, worked() - before))
    before, began = worked(), time.perf_counter()
store.close()
# of this program alone: what getrusage says begins with that of the process it came from
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([times, int(peak.split()[1]) * 1024, answer], sort_keys=True))
"""


@dataclass(frozen=True, slots=True)
class Found:
    """Median seconds and seconds of CPU, the peak of memory in bytes, and the answers."""

    seconds: float
    cpu: float
    memory: int
    answers: list[Any]

    @classmethod
    def of(cls, times: list[list[float]], asked: list[Asked]) -> Found:
        seconds, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        answers = [one.answer for one in asked]
        return cls(seconds, cpu, max(one.memory for one in asked), answers)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a process said: (seconds, seconds of CPU) of each time, its memory, and the answer."""

    times: list[list[float]]
    memory: int
    answer: Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True, action="append", metavar="PATH|URL")
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--installations", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="do not delete the store afterwards")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into FILE too")
    options = parser.parse_args()
    text = surroundings(options)
    for place in options.store:
        text += filled(place, options)
    text += "\n" + asked(options.store, options.rounds)
    print(text)
    if options.write:
        options.write.write_text(rewritten(options.write.read_text(), text))
    for place in options.store if not options.keep else ():
        if "://" not in place:
            for path in Path(place).parent.glob(Path(place).name + "*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def filled(place: str, options: argparse.Namespace) -> str:
    """Fill the store if it is empty; say how fast that was, and how large it is."""
    store = open_store(place)
    try:
        rate = ""
        if not store.count(TOOL):
            rate = filling(store, options)
        events = store.count(TOOL)
        size = store.size()
    finally:
        store.close()
    what = f"{size / 1e6:,.0f} MB: {size / events:.1f} bytes an event"
    return f"{rate}{kind(place)}: {events:,} events in {what}.\n"


def filling(store: Store, options: argparse.Namespace) -> str:
    population = Population(
        loading.load(CONTRACT),
        installations=options.installations,
        days=options.days,
        seed=1,
        end=END,
        events=options.events,
    )
    began, cpu = time.perf_counter(), time.process_time()
    loaded = fill(store, population, arrivals(population))
    seconds, worked = time.perf_counter() - began, time.process_time() - cpu
    events = loaded.stored + loaded.duplicate
    return (
        f"Simulated and loaded {events / seconds:,.0f} events/s, "
        f"{worked / events * 1e6:.1f} µs of CPU for each.\n"
    )


def asked(places: list[str], rounds: int) -> str:
    store = open_store(places[0])
    try:
        total = store.count(TOOL)
        commands = questions.ask(store, "commands", TOOL, END)["commands"]
        recent = sum(row["events"] for row in commands)
    finally:
        store.close()
    lines = titles(places)
    for name in questions.NAMES:
        size = ALL_EVENTS.get(name, 0) * total or OF_28_DAYS.get(name, 0) * recent
        rows: list[list[Asked]] = [[] for _ in places]
        for _ in range(rounds):
            for place, row in zip(places, rows, strict=True):
                row.append(ask(place, name, 0))
        bare = statistics.median(floor(size) for _ in range(rounds)) if size else None
        found = [Found.of([one.times[0] for one in row], row) for row in rows]
        lines.append(line(name, found, bare))
    pages = [[ask(place, PAGE, AGAIN) for _ in range(rounds)] for place in places]
    first = [Found.of([one.times[0] for one in row], row) for row in pages]
    again = [Found.of([time for one in row for time in one.times[1:]], row) for row in pages]
    lines.append(line("overview, the page, first", first, None))
    lines.append(line("overview, the page, again", again, None))
    return "\n".join(lines) + "\n"


def ask(place: str, what: str, again: int) -> Asked:
    """Ask in a new process, `again` times more."""
    command = [sys.executable, "-c", ASK, place, what, TOOL, END.isoformat(), str(again)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Asked(*json.loads(done.stdout))


def floor(size: int) -> float:
    """Return the seconds in which numpy sums so many bytes of columns that lie in memory."""
    piece = np.ones(8 * MIB, np.int32)
    began = time.perf_counter()
    for _ in range(-(-size // piece.nbytes)):
        piece.sum(dtype=np.int64)
    return time.perf_counter() - began


def kind(place: str) -> str:
    return "ClickHouse" if "://" in place else "embedded"


def titles(places: list[str]) -> list[str]:
    """Return the head of a table, for one store or for several."""
    if len(places) == 1:
        names = ["cold, s", "CPU, s", "floor, s", "times the floor", "peak memory, MiB"]
    else:
        names = [f"{kind(place)}, s | CPU, s" for place in places]
        names += ["floor, s", f"times {kind(places[0])}", "answers"]
    return [
        f"| report | {' | '.join(names)} |",
        f"| --- |{' ---: |' * ' | '.join(names).count('|')} ---: |",
    ]


def line(name: str, found: list[Found], bare: float | None) -> str:
    cells = [name]
    for one in found:
        cells += [f"{one.seconds:.3f}", f"{one.cpu:.3f}"]
    cells.append(f"{bare:.3f}" if bare else "-")
    if len(found) == 1:
        cells.append(f"{found[0].seconds / bare:.1f}" if bare else "-")
        cells.append(f"{found[0].memory / MIB:,.0f}")
    else:
        times = [f"{one.seconds / found[0].seconds:.1f}" for one in found[1:]]
        cells += [", ".join(times), compared([one for row in found for one in row.answers])]
    return f"| {' | '.join(cells)} |"


def compared(answers: list[Any]) -> str:
    """Say whether all are the same; those of a page are not kept."""
    if answers[0] is None:
        return "-"
    return "the same" if all(one == answers[0] for one in answers) else "**differ**"


def surroundings(options: argparse.Namespace) -> str:
    load = os.getloadavg()[1]
    return (
        f"`bench/questions.py --events {options.events} --installations {options.installations} "
        f"--days {options.days}`, {options.rounds} rounds, CPython {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {load:.1f} over the last five minutes.\n"
    )


def rewritten(document: str, text: str) -> str:
    """Return a document with new text between its marks. Raises ValueError without them."""
    head, begin, rest = document.partition(BEGIN_MARK)
    _, end, tail = rest.partition(END_MARK)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN_MARK} and {END_MARK} to write between")
    return f"{head}{BEGIN_MARK}\n{text}{END_MARK}{tail}"


if __name__ == "__main__":
    main()
