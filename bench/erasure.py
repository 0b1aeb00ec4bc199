"""How long until an erased installation is in no file: of the log, the store, its backups.

A real collector on a store with a year of a simulated population, with backups beside it, is asked
to erase an installation that has events in the store and in the log. From its answer on every file
is read again and again, for the installation's hash and those of its applications and environments,
as raw bytes and as text, until none is found. Meanwhile an event is sent each second, and a report
asked for that has to count it. Every other installation must have as many events as before. Prints
a Markdown table; ends with 1 if anything is left after 60 s, and 20 s more for each backup beyond
the first.
`python bench/erasure.py [--events 10000000] [--backups 1] [--folder DIR]`
"""

from __future__ import annotations

import argparse
import mmap
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from askfirst.collector.upkeep import KEEP
from askfirst.contract import loading
from askfirst.simulation import Population, arrivals, fill
from askfirst.stores.base import Store
from askfirst.stores.opening import open_store
from tests.collector.serving import Server, make_event, servers, wait_until

CONTRACT = Path(__file__).parents[1] / "examples/stratus/stratus/telemetry.toml"
TOOL = "stratus"
MOST_SECONDS, MORE_SECONDS = 60.0, 20.0  # with one backup, and for each further one
REPORTER = "0f" * 32
PER_INSTALLATION = 250  # events, about what a year has


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--backups", type=int, default=KEEP, help="beside the store")
    parser.add_argument("--folder", type=Path, help="where there is room")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        return run(Path(folder), options.events, options.backups)


def run(folder: Path, events: int, backups: int) -> int:
    place = folder / "store.duckdb"
    whom, traces, before = prepared(place, events)
    with servers(folder / "home") as begin:
        server = begin("serve", "--contract", str(CONTRACT), "--store", str(place))
        operator = {"Authorization": f"Bearer {server.token}"}
        for _ in range(backups):
            done = server.call("POST", "/v1/store/backup", {"keep": backups}, operator)
            assert done.status == 200, done.body
        new = [fresh(whom.hex()) for _ in range(50)]
        assert server.call("POST", "/v1/events", {"tool": TOOL, "events": new}).status == 200
        sure = len(set(seen(folder, traces)))
        assert sure, "nothing can be found even before the erasure"
        most = MOST_SECONDS + max(backups - 1, 0) * MORE_SECONDS
        reports = Reports(server)
        answered, gone, cpu = erased(server, folder, whom, traces, 4 * most, reports)
        assert server.stop() == 0, server.errors
    left = set(seen(folder, traces))
    store = open_store(place)
    others = counted(store)
    trouble = store.check()
    size = store.size()
    store.close()
    expected = {hash_: n for hash_, n in before.items() if hash_ != whom}
    expected[bytes.fromhex(REPORTER)] = len(reports.took)
    titles = ("events", "backups", "erased", "traces before", "answered, s", "in no file after, s",
              "of it CPU, s", "reports meanwhile", "slowest, s", "store, MB")  # fmt: skip
    row = (f"{sum(before.values()):,}", backups, f"{before[whom] + 50:,}", sure, f"{answered:.1f}",
           f"{gone:.1f}", f"{cpu:.1f}", len(reports.took), f"{max(reports.took):.1f}",
           f"{size / 1e6:,.0f}")  # fmt: skip
    for cells in (titles, ["---:"] * len(titles), row):
        print(f"| {' | '.join(map(str, cells))} |")
    print(f"\nother installations as before: {others == expected}; traces left: {len(left)}; "
          f"the store complains of: {trouble or 'nothing'}")  # fmt: skip
    return int(bool(left) or gone > most or others != expected or bool(trouble))


def prepared(place: Path, events: int) -> tuple[bytes, set[bytes], Counter[bytes]]:
    """Fill a store; return an installation, what gives it away, and how many events all have."""
    population = Population(
        loading.load(CONTRACT),
        installations=max(events // PER_INSTALLATION, 10),
        days=365,
        seed=1,
        end=date.today(),  # noqa: DTZ011 - the collector drops what is past its retention
        events=events,
    )
    store = open_store(place)
    fill(store, population, arrivals(population))
    before = counted(store)
    whom = before.most_common(1)[0][0]
    traces = {whom, whom.hex().encode()}
    for part in store.events(TOOL):
        rows = part.rows_of_fields()
        for row, hash_ in zip(rows, part.installations(), strict=True):
            if hash_ == whom:
                own = [str(value) for name, value in row.items() if name.startswith("application")]
                traces |= {text.encode() for text in own} | {bytes.fromhex(text) for text in own}
    store.close()
    return whom, traces, before


def counted(store: Store) -> Counter[bytes]:
    """Return how many events each installation has."""
    return Counter(hash_ for part in store.events(TOOL) for hash_ in part.installations())


def fresh(installation: str) -> dict[str, object]:
    event = make_event(installationId=installation)
    event["cli"] = {"version": "1.4.0", "command": "start"}
    return event


class Reports(threading.Thread):
    """Sends an event each second and asks for a report that counts it; `took` has the seconds."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.took: list[float] = []
        self.done = threading.Event()
        self._server = server

    def run(self) -> None:
        stored = self._stored()
        while True:
            event = {"tool": TOOL, "events": [fresh(REPORTER)]}
            assert self._server.call("POST", "/v1/events", event).status == 200
            began = time.monotonic()
            found = self._stored()
            self.took.append(time.monotonic() - began)
            assert found == stored + len(self.took), found
            if self.done.wait(1.0):
                return

    def _stored(self) -> int:
        today = date.today().isoformat()  # noqa: DTZ011 - a day is as good as the next
        return int(self._server.answer(f"quality?as_of={today}")["stored"])


def erased(
    server: Server,
    folder: Path,
    whom: bytes,
    traces: set[bytes],
    deadline: float,
    reports: Reports,
) -> tuple[float, float, float]:
    """Erase; return the seconds until the answer, and from the answer until nothing is found, and
    how many of CPU the collector took for the latter.
    """
    began = time.monotonic()
    while (status := ask(server, whom)) == 503:
        assert time.monotonic() < began + deadline
    assert status == 200, status
    answered, used = time.monotonic(), cpu_of(server.process.pid)
    reports.start()
    wait_until(lambda: not any(seen(folder, traces)), deadline)  # stops at the first
    gone = time.monotonic() - answered
    reports.done.set()
    reports.join()
    return answered - began, gone, cpu_of(server.process.pid) - used


def ask(server: Server, whom: bytes) -> int:
    """Ask for an erasure; return the status of the answer."""
    connection = server.connect()
    connection.timeout = 2 * MOST_SECONDS
    body = f'{{"tool": "{TOOL}", "installationId": "{whom.hex()}"}}'
    connection.request("POST", "/v1/erasures", body, {"Content-Type": "application/json"})
    with closing(connection):
        return connection.getresponse().status


def cpu_of(number: int) -> float:
    """Return the seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seen(folder: Path, wanted: set[bytes]) -> Iterator[bytes]:
    """Yield byte strings that stand in files of a folder, once for each file."""
    # not rglob, which fails where a folder goes meanwhile
    for path in [Path(here, name) for here, _, names in os.walk(folder) for name in names]:
        try:
            if not path.is_file() or not path.stat().st_size:
                continue
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
                yield from (one for one in wanted if data.find(one) >= 0)
        except FileNotFoundError:  # gone meanwhile, as it should be
            continue


if __name__ == "__main__":
    sys.exit(main())
