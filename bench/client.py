"""What a telemetry client costs the command that it is in: ours, a floor, and peers from PyPI.

Prints one Markdown table; progress goes to stderr. docs/measured.md says how it measures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import cases
import faults
import installed
import processes
import servers

MB = 1_000_000
ENOUGH_S = 60  # of one peer's runs; some wait ten seconds each time
BEGIN, END = "<!-- bench/client.py begin -->", "<!-- bench/client.py end -->"
NONE = "-"
HEAD = (
    "case",
    "CPU added, ms",
    "times the floor",
    "CPU in other processes, ms",
    "wall added, ms",
    "installed, MB",
    "closed port",
    "silent server",
)


class Costs(NamedTuple):
    """Medians over `rounds` pairs, in ms; `added` and `wall` beside the same without telemetry."""

    added: float
    others: float
    wall: float
    rounds: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=60, help="rounds of ours; peers run a fifth")
    parser.add_argument("--peers", default=",".join(cases.PEERS), help="which, by commas; or none")
    parser.add_argument("--json", action="store_true", help="JSON instead of the table")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into FILE too")
    options = parser.parse_args()
    peers = [name for name in options.peers.split(",") if name and name != "none"]
    rows = measure(options.runs, peers)
    text = table(rows)
    print(json.dumps(rows, indent=2) if options.json else text)
    if options.write:
        options.write.write_text(
            rewritten(options.write.read_text(), surroundings(options.runs), text)
        )


def measure(rounds: int, peers: list[str]) -> list[dict[str, Any]]:
    """Return one row for each case."""
    processes.adopt()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context, roots = servers.authority(folder)
        with servers.answering() as plain, servers.answering(context) as secure:
            made = cases.make(folder, plain.url, secure.url, roots, peers)
            costs = pairs(made, rounds, (plain, secure))
            found: dict[str, dict[str, faults.Fault]] = {}
            for case in made:
                if case.asks_network:
                    say(f"faults: {case.label}")
                    part = folder / f"faults-{len(found)}"
                    most = rounds if case.label.startswith("askfirst") else 3
                    found[case.label] = faults.try_faults(case, part, plain, most)
            return [row(case, costs, found.get(case.label)) for case in made]


def pairs(
    made: list[cases.Case], rounds: int, answering: tuple[servers.Answering, ...]
) -> dict[str, Costs]:
    """Run every case beside itself without telemetry, round after round, and return medians."""
    seen: dict[str, list[tuple[float, float, float]]] = {case.label: [] for case in made}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for case in made:
            if case.label in cases.PEERS and not peer_is_due(number, seen[case.label]):
                continue
            without = case.run(case.without) if case.without else None
            done = case.run(case.program)
            base = (without.cpu, without.wall) if without else (0.0, 0.0)
            seen[case.label].append((done.cpu - base[0], done.others, done.wall - base[1]))
            for server in answering:
                server.came.clear()
    return {label: medians(runs) for label, runs in seen.items()}


def medians(runs: list[tuple[float, float, float]]) -> Costs:
    """Return the medians of (CPU added, CPU of others, wall added), in ms."""
    added, others, wall = map(statistics.median, zip(*runs, strict=True))
    return Costs(added, others, wall, len(runs))


def peer_is_due(number: int, seen: list[tuple[float, float, float]]) -> bool:
    """Tell whether a peer runs in this round: every fifth, and no longer than is worth it."""
    spent = sum(wall for _, _, wall in seen) / 1000
    return number % 5 == 0 and (spent < ENOUGH_S or len(seen) < 3)


def row(
    case: cases.Case, costs: dict[str, Costs], found: dict[str, faults.Fault] | None
) -> dict[str, Any]:
    """Return what is known of a case. Sizes in bytes, times in ms."""
    own = costs[case.label]
    delivery = case.label in (cases.SENDER, cases.SENDER_FLOOR)
    floor = costs[cases.SENDER_FLOOR if delivery else cases.FLOOR].added
    # the sender is another process; its floor is compared as a whole program
    cpu = own.others if case.label == cases.SENDER else own.added
    size = installed.sizes(case.python) if shows_size(case) else None
    return {
        "case": case.label,
        "rounds": own.rounds,
        "cpu_added_ms": None if delivery else own.added,
        "times_floor": cpu / floor,
        "cpu_others_ms": cpu if delivery else own.others,
        "wall_added_ms": None if delivery else own.wall,
        "installed_bytes": size and size[0],
        "installed_bytes_with_pyc": size and size[1],
        "faults": {name: fault._asdict() for name, fault in (found or {}).items()},
    }


def shows_size(case: cases.Case) -> bool:
    """Tell whether what is installed there is one client and what it brings."""
    return case.label in cases.PEERS or case.label == f"askfirst, bare: {cases.STATES[2]}"


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["case"],
        _number(row["cpu_added_ms"]),
        _number(row["times_floor"]),
        _number(row["cpu_others_ms"] or None),
        _number(row["wall_added_ms"]),
        _size(row["installed_bytes"], row["installed_bytes_with_pyc"]),
        *(fault_text(row["faults"].get(name)) for name in ("closed", "silent")),
    )


def _number(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.0f}"


def _size(plain: int | None, compiled: int | None) -> str:
    if not plain or not compiled:
        return NONE
    return f"{plain / MB:.2f} ({compiled / MB:.2f} with .pyc)"


def fault_text(fault: dict[str, Any] | None) -> str:
    """Say in a few words what a fault did."""
    if fault is None:
        return NONE
    added = fault["added"]
    if fault["code"] is None:
        words = [f"over {processes.CAP_S} s, killed"]
    else:
        words = [f"+{added / 1000:.1f} s" if added >= 100 else f"{added:+.1f} ms"]
    if fault["held"] > faults.PATIENT_MS:
        words.append(f"holds the pipe {fault['held'] / 1000:.1f} s more")
    words.append("event kept" if fault["kept"] else "event lost")
    if fault["lines"]:
        words.append(f"prints {fault['lines']} line{'s' * (fault['lines'] > 1)}")
    if fault["code"]:
        words.append(f"the command fails with {fault['code']}")
    return ", ".join(words)


def surroundings(rounds: int) -> str:
    """Say where and how often it was measured."""
    load = os.getloadavg()[1]
    return (
        f"`make bench`, {rounds} rounds, CPython {platform.python_version()}, {platform.system()}, "
        f"{os.cpu_count()} cores, load {load:.1f} over the last five minutes.\n"
    )


def rewritten(document: str, above: str, text: str) -> str:
    """Return a document with a new table between its marks. Raises ValueError without them."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} and {END} to write between")
    return f"{head}{BEGIN}\n{above}\n{text}{END}{tail}"


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
