"""What the collector's door is to take in, beside what was measured.

The budgets were set on another machine. How much slower this one is, and how busy, the same run
says: by an empty handler without TLS, and by the processor time of two peers with it. What was
measured is put beside the budget once as it is, and once at that machine's speed.
"""

from __future__ import annotations

import math
from typing import Any

import empty
from budgets import Budget

SINGLES, BATCHES = "askfirst, single events", "askfirst, batches of 100"
TLS = "askfirst, a new TLS connection each"
FLOOR = f"{empty.HANDLER}, a GET, 64 connections"
STORED = ", with a store that holds "

# where the budgets were set
FLOOR_THEN = 152_000.0  # requests/s
PEERS_THEN = {empty.GRANIAN: 244.0, empty.UVICORN: 577.0}  # µs of the server a request
FLAT = 0.8  # of what an empty store lets through


def budgets(rows: list[dict[str, Any]]) -> list[Budget]:
    """Return every budget with what the rows of the large table say of it."""
    known = {row["case"]: row for row in rows}
    plain = FLOOR_THEN / known[FLOOR]["requests/s"]
    ratios = [known[name]["door µs/request"] / then for name, then in PEERS_THEN.items()]
    tls = math.prod(ratios) ** (1 / len(ratios))
    single, batch, fresh = known[SINGLES], known[BATCHES], known[TLS]
    resident = max(row.get("resident MB", 0.0) for row in rows)
    found = [
        Budget("events in batches of 100", 250_000, batch["events/s"], "/s", plain, least=True),
        Budget("requests of one event", 25_000, single["requests/s"], "/s", plain, least=True),
        Budget("their p99, 256 connections", 30, single["p99 ms"], "ms", plain),
        Budget(
            "requests, each on a new TLS connection",
            2_500,
            fresh["requests/s"],
            "/s",
            tls,
            least=True,
        ),
        Budget("resident memory, all processes", 250, resident, "MB"),
    ]
    for case, row in known.items():
        name, filled, events = case.partition(STORED)
        if filled:
            column = "events/s" if name == BATCHES else "requests/s"
            ratio = row[column] / known[name][column]
            what = f"{name.removeprefix('askfirst, ')}, {events} stored, to an empty store"
            found.append(Budget(what, FLAT, ratio, "times", least=True))
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the budgets in Markdown."""
    lines = ["| budget | limit | measured here | at the budget's speed | holds |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for one in budgets(rows):
        limit = f"at {'least' if one.least else 'most'} {_amount(one.most, one.unit)}"
        scaled = _amount(one.scaled, one.unit) if one.slower != 1 else "-"
        holds = "yes" if one.holds else "**no**"
        here = _amount(one.measured, one.unit)
        lines.append(f"| {one.what} | {limit} | {here} | {scaled} | {holds} |")
    return "\n".join(lines)


def _amount(value: float, unit: str) -> str:
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"
    return digits + unit if unit.startswith("/") else f"{digits} {unit}"
