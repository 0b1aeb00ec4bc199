"""How long each answer takes over a year of events, and how large the store is.

    python bench/questions.py --store DIR/store [--events 50000000] [--installations 200000]
        [--days 365] [--rounds 3] [--keep] [--write docs/measured.md]

Fills the store with a simulated population, unless it has events already, and asks every report
`--rounds` times, each time in a new process: "cold" is what opening the store and answering take
there, without the imports, with the files in the system's cache if they fit. Beside each stands
the floor: numpy sums the columns of events that the question is about, from memory, as often.
"Overview" is the dashboard's page: the first time in a process, and again. Prints Markdown.
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
AGAIN = 5  # times that the overview is asked for again

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
times = []
began, cpu = time.perf_counter(), time.process_time()
store = open_store(place, create=False)
for _ in range(1 + int(again)):
    if what == "page":
        overview.view(store, Selection(tool, day, day))
    else:
        questions.ask(store, what, tool, day)
    times.append((time.perf_counter() - began, time.process_time() - cpu))
    began, cpu = time.perf_counter(), time.process_time()
store.close()
# of this program alone: what getrusage says begins with that of the process it came from
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([times, int(peak.split()[1]) * 1024]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", required=True, metavar="PATH|URL")
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--installations", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="do not delete the store afterwards")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into FILE too")
    options = parser.parse_args()
    text = surroundings(options) + filled(options)
    text += "\n" + asked(options.store, options.rounds)
    print(text)
    if options.write:
        options.write.write_text(rewritten(options.write.read_text(), text))
    if not options.keep and "://" not in options.store:
        for path in Path(options.store).parent.glob(Path(options.store).name + "*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def filled(options: argparse.Namespace) -> str:
    """Fill the store if it is empty; say how fast that was, and how large it is."""
    store = open_store(options.store)
    try:
        rate = ""
        if not store.count(TOOL):
            rate = filling(store, options)
        events = store.count(TOOL)
        size = store.size()
    finally:
        store.close()
    return f"{rate}{events:,} events in {size / 1e6:,.0f} MB: {size / events:.1f} bytes an event.\n"


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


def asked(place: str, rounds: int) -> str:
    """Return the table of all reports."""
    store = open_store(place)
    try:
        total = store.count(TOOL)
        commands = questions.ask(store, "commands", TOOL, END)["commands"]
        recent = sum(row["events"] for row in commands)
    finally:
        store.close()
    rows = [
        "| report | cold, s | CPU, s | floor, s | times the floor | peak memory, MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in questions.NAMES:
        size = ALL_EVENTS.get(name, 0) * total or OF_28_DAYS.get(name, 0) * recent
        found = [ask(place, name, 0) for _ in range(rounds)]
        bare = statistics.median(floor(size) for _ in range(rounds)) if size else None
        rows.append(row(name, [times[0] for times, _ in found], found, bare))
    found = [ask(place, "page", AGAIN) for _ in range(rounds)]
    rows.append(row("overview, the page, first", [times[0] for times, _ in found], found, None))
    again = [one for times, _ in found for one in times[1:]]
    rows.append(row("overview, the page, again", again, found, None))
    return "\n".join(rows) + "\n"


def ask(place: str, what: str, again: int) -> tuple[list[tuple[float, float]], int]:
    """Ask in a new process; return (seconds, seconds of CPU) of each time, and its peak memory."""
    command = [sys.executable, "-c", ASK, place, what, TOOL, END.isoformat(), str(again)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    times, memory = json.loads(done.stdout)
    return times, memory


def floor(size: int) -> float:
    """Return the seconds in which numpy sums so many bytes of columns that lie in memory."""
    piece = np.ones(8 * MIB, np.int32)
    began = time.perf_counter()
    for _ in range(-(-size // piece.nbytes)):
        piece.sum(dtype=np.int64)
    return time.perf_counter() - began


def row(
    name: str,
    times: list[tuple[float, float]],
    found: list[tuple[list[Any], int]],
    bare: float | None,
) -> str:
    seconds, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    memory = max(peak for _, peak in found) / MIB
    beside = f"{bare:.3f} | {seconds / bare:.1f}" if bare else "- | -"
    return f"| {name} | {seconds:.3f} | {cpu:.3f} | {beside} | {memory:,.0f} |"


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
