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

import budgets
import cases
import faults
import installed
import processes
import servers

MB = 1_000_000
ENOUGH_S = 40  # of one peer's runs; some wait ten seconds each time
PAIRS = 8  # in every round, of what takes so little that one more is cheap and needed
YOUNG, STEP = 700, 211  # objects after which Python collects garbage; how a pair's start moves on
FAULT_ROUNDS = 41
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
    """Medians over `rounds` pairs, in ms; `added` and `wall` beside the same without telemetry.

    `host` is what the program without telemetry takes as a whole.
    """

    added: float
    others: float
    wall: float
    host: float
    rounds: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=25, help="rounds of ours; peers run a fifth")
    parser.add_argument("--peers", default=",".join(cases.PEERS), help="which, by commas; or none")
    parser.add_argument("--json", action="store_true", help="JSON instead of the table")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into FILE too")
    parser.add_argument(
        "--small", action="store_true", help="only the floor and ours that start no delivery"
    )
    options = parser.parse_args()
    if options.small and options.write:
        parser.error("a page has all cases; --small is for while one works")
    peers = [name for name in options.peers.split(",") if name and name != "none"]
    rows = measure(options.runs, [] if options.small else peers, small=options.small)
    text = table(rows) + "\n" + budgets.table(rows)
    print(json.dumps(rows, indent=2) if options.json else text)
    if options.write:
        options.write.write_text(
            rewritten(options.write.read_text(), surroundings(options.runs, rows), text)
        )


def measure(rounds: int, peers: list[str], *, small: bool = False) -> list[dict[str, Any]]:
    """Return one row for each case, or for the small ones alone."""
    processes.adopt()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        context, roots = servers.authority(folder)
        with servers.answering() as plain, servers.answering(context) as secure:
            made = cases.make(folder, plain.url, secure.url, roots, peers)
            made = [case for case in made if case.is_small or not small]
            costs = pairs(made, rounds, (plain, secure))
            found: dict[str, dict[str, faults.Fault]] = {}
            for case in made:
                if case.asks_network:
                    say(f"faults: {case.label}")
                    part = folder / f"faults-{len(found)}"
                    most = FAULT_ROUNDS if case.label.startswith("askfirst") else 1
                    found[case.label] = faults.try_faults(case, part, plain, most)
            return [row(case, costs, found.get(case.label)) for case in made]


def pairs(
    made: list[cases.Case], rounds: int, answering: tuple[servers.Answering, ...]
) -> dict[str, Costs]:
    """Run every case beside itself without telemetry, round after round, and return medians."""
    seen: dict[str, list[Costs]] = {case.label: [] for case in made}
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}")
        for case in made:
            if case.label in cases.PEERS and not peer_is_due(number, seen[case.label]):
                continue
            for turn in range(PAIRS if case.is_small else 1):
                # garbage that is collected in one of many runs is to weigh no more than that
                young = len(seen[case.label]) * STEP % YOUNG if case.is_small else 0
                seen[case.label].append(pair(case, young, turned=(number + turn) % 2 == 1))
            for server in answering:
                server.came.clear()
    return {label: medians(runs) for label, runs in seen.items()}


def pair(case: cases.Case, young: int, *, turned: bool) -> Costs:
    """Run a case and the same without telemetry, one right after the other."""
    if not case.without:
        done = case.run(case.program, young)
        return Costs(done.cpu, done.others, done.wall, 0.0, 1)
    order = (case.program, case.without)
    ran = {program: case.run(program, young) for program in (reversed(order) if turned else order)}
    done, without = ran[case.program], ran[case.without]
    whole = without.start + without.cpu
    return Costs(done.cpu - without.cpu, done.others, done.wall - without.wall, whole, rounds=1)


def medians(runs: list[Costs]) -> Costs:
    """Return the medians of what single pairs took."""
    added, others, wall, host, _ = map(statistics.median, zip(*runs, strict=True))
    return Costs(added, others, wall, host, len(runs))


def peer_is_due(number: int, seen: list[Costs]) -> bool:
    """Tell whether a peer runs in this round: every fifth, and no longer than is worth it."""
    spent = sum(run.wall for run in seen) / 1000
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
        "host_ms": own.host,
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
    return case.label in cases.PEERS or case.label == cases.ours("bare", cases.STATES[2])


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


def surroundings(rounds: int, rows: list[dict[str, Any]]) -> str:
    """Say where and how often it was measured, and how fast the machine was meanwhile."""
    load = os.getloadavg()[1]
    hosts = {row["case"]: row["host_ms"] for row in rows}
    bare, click = (hosts[cases.ours(host, cases.STATES[2])] for host in cases.HOSTS)
    return (
        f"`make bench`, {rounds} rounds, CPython {platform.python_version()}, {platform.system()}, "
        f"{os.cpu_count()} cores, load {load:.1f} over the last five minutes. Without telemetry "
        f"the bare program took {bare:.1f} ms of CPU here, the one on click {click:.1f} ms.\n"
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
