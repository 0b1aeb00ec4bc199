"""How fast the embedded store loads, how long a scrub takes, and how large it is.

Events come from 200,000 installations over a year, three in a hundred days or weeks late. Beside
each figure stands the floor: DuckDB's own insert of the same rows as Arrow integers, in the same
batches, without keys, checks or counts. µs are of CPU, of all threads: what a busy machine changes
least. The scrub's seconds are those of the erasure before it, and its own.
Prints a Markdown table. `python bench/store.py [--stored 0 1000000 10000000] [--folder DIR]`
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable
from functools import partial
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from askfirst.stores.base import DAY_MS, Events, Position
from askfirst.stores.duckdb import connecting
from askfirst.stores.duckdb.store import DuckDBStore

TOOL = "stratus"
PEOPLE = 200_000
START = 20_000 * DAY_MS  # ms UTC
YEAR = 50_000_000  # events in 365 days
BATCHES = (5_000, 50_000)
MEASURED = 12  # batches of each size


class Arrivals:
    """Events in the order in which they arrive."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._raw = np.random.default_rng(7).bytes(32 * PEOPLE)
        self._hashes = np.frombuffer(self._raw, "V32")
        self._done = 0

    def batch(self, size: int) -> Events:
        rng = self._rng
        arrived = START + (self._done + np.arange(size)) * (365 * DAY_MS) // YEAR
        self._done += size
        moment = arrived - rng.integers(0, 3_600_000, size)
        late = rng.random(size) < 0.03
        moment[late] -= rng.integers(DAY_MS, 35 * DAY_MS, int(late.sum()))
        who = rng.integers(0, PEOPLE, size)
        made = Events(TOOL)
        made.timestamp = array("q", moment.tobytes())
        made.received = array("q", arrived.tobytes())
        ids = np.frombuffer(rng.bytes(16 * size), np.uint8).reshape(size, 16).copy()
        ids[:, :6] = moment.astype(">u8").view(np.uint8).reshape(size, 8)[:, 2:]
        made.id = bytearray(ids.tobytes())
        made.installation = bytearray(self._hashes[who].tobytes())
        made.version = [f"1.{n}.0" for n in (self._done * 12 // YEAR + who % 3).tolist()]
        made.command = [("start", "stop", "restart", "reload")[n] for n in (who % 4).tolist()]
        own, kind = rng.integers(0, 3, size), rng.integers(0, 3, size)
        made.fields = {
            "application.name": [f"{n:064x}" for n in (who * 3 + own).tolist()],
            "application.env": [f"{n:064x}" for n in (who * 3 + kind + (1 << 40)).tolist()],
            "runtime": [f"2.{n}.0" for n in (who % 7).tolist()],
            "interactive": [n < 4 for n in (who % 5).tolist()],
        }
        return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stored", type=int, nargs="+", default=[0, 1_000_000, 10_000_000])
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    store = DuckDBStore(folder / "store")
    arrivals = Arrivals(1)
    try:
        print("| stored | batch | events/s | floor | µs/event | floor | bytes/event | scrub, s |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        stored = 0
        for wanted in sorted(arguments.stored):
            while stored < wanted:
                stored += store.load([arrivals.batch(50_000)], {}).stored
            for size in BATCHES:
                ours, floor = measure(store, arrivals, size, folder)
                stored += size * MEASURED
                print(f"| {stored:,} | {size:,} | {ours[0]:,.0f} | {floor[0]:,.0f} |", end="")
                print(f" {ours[1]:.1f} | {floor[1]:.1f} | {space(folder) / stored:.0f} | ", end="")
                seconds = scrub(store, arrivals) if size == BATCHES[-1] else ""
                print(f"{seconds} |", flush=True)
    finally:
        store.close()
        shutil.rmtree(folder)


def measure(
    store: DuckDBStore, arrivals: Arrivals, size: int, folder: Path
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return (events/s, µs of CPU per event) of the store and of the floor; batches take turns."""
    path = folder / "floor"
    floor = duckdb.connect(str(path), config={"checkpoint_threshold": "64MiB"})
    ours, theirs = [], []
    for number in range(MEASURED):
        events = arrivals.batch(size)
        rows = integers(events)
        position = Position("bench", number, 0)
        ours.append(timed(partial(store.load, [events], {}, position)))
        floor.register("given", rows)
        if not number:
            floor.execute("CREATE TABLE events AS FROM given LIMIT 0")
        theirs.append(timed(partial(floor.execute, "INSERT INTO events FROM given")))
        floor.unregister("given")
    floor.close()
    connecting.remove_parts(path)
    return rates(ours, size), rates(theirs, size)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds, and those of CPU of all threads, that some work takes."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - cpu


def rates(times: list[tuple[float, float]], size: int) -> tuple[float, float]:
    seconds, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    return size / seconds, cpu / size * 1e6


def integers(events: Events) -> pa.Table:
    """Return the columns that a row has in the store, filled with numbers as large as there."""
    moment = np.frombuffer(events.timestamp, np.int64)
    halves = np.frombuffer(events.id, ">i8").astype(np.int64).reshape(-1, 2)
    people = np.frombuffer(events.installation, "<u4")[::8] % PEOPLE
    columns = {"tool": np.full(len(moment), 1, np.int16), "timestamp": moment}
    columns |= {"id_high": halves[:, 0], "id_low": halves[:, 1]}
    for name in ("installation", "application", "environment", "version", "command", "context"):
        columns[name] = (people % (12 if name[0] in "vc" else PEOPLE)).astype(np.int32)
    return pa.table(columns)


def scrub(store: DuckDBStore, arrivals: Arrivals) -> str:
    """Erase an installation and return the seconds that erasing and scrubbing took."""
    who = arrivals.batch(1).installations()[0]
    began = time.perf_counter()
    store.erase(TOOL, who)
    erased = time.perf_counter()
    store.scrub()
    return f"{erased - began:.1f} + {time.perf_counter() - erased:.1f}"


def space(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
