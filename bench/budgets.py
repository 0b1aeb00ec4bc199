"""What the client may cost, beside what was measured: each a median of interleaved pairs.

A budget of CPU is in ms of the machine that it was set on. How fast this one is, and how busy, the
floor tells, which does the same work in the same run on both: what was measured is put beside the
budget once as it is, and once at that machine's speed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cases

MB = 1_000_000
UNDECIDED, REFUSED, CONSENTING, DUE = cases.STATES
BARE, CLICK = cases.HOSTS
FAULTS = {"closed": "closed port", "silent": "silent server"}
# the floors, in ms of CPU, where the budgets were set
FLOOR_THEN = {cases.FLOOR: 0.26, cases.SENDER_FLOOR: 60.0}


class Budget(NamedTuple):
    """`most` and `measured` are in `unit`; `slower` is how much slower this machine is, or 1.

    With `least` they are a rate, and `most` is what it has to be at least.
    """

    what: str
    most: float
    measured: float
    unit: str
    slower: float = 1.0
    least: bool = False

    @property
    def scaled(self) -> float:
        """What was measured, at the speed of the machine that the budget was set on."""
        return self.measured * self.slower if self.least else self.measured / self.slower

    @property
    def holds(self) -> bool:
        """Tell whether it is kept."""
        return self.scaled >= self.most if self.least else self.scaled <= self.most


def budgets(rows: list[dict[str, Any]]) -> list[Budget]:
    """Return every budget of which the rows of the large table say something."""
    known = {row["case"]: row for row in rows}

    def row(host: str, state: str) -> dict[str, Any]:
        return known[cases.ours(host, state)]

    def added(host: str, state: str) -> float:
        cpu: float = row(host, state)["cpu_added_ms"]
        return cpu

    slower = known[cases.FLOOR]["cpu_added_ms"] / FLOOR_THEN[cases.FLOOR]
    found = []
    for host, no, yes in ((BARE, 0.3, 1.0), (CLICK, 1.0, 2.0)):
        for state, most in ((UNDECIDED, no), (REFUSED, no), (CONSENTING, yes)):
            what = f"CPU added, {host}: {state}"
            found.append(Budget(what, most, added(host, state), "ms", slower))
    if cases.SENDER not in known:
        return found
    for host in cases.HOSTS:
        start = added(host, DUE) - added(host, CONSENTING)
        found.append(Budget(f"CPU of starting a delivery, {host}", 2.0, start, "ms", slower))
    of_sender = known[cases.SENDER_FLOOR]["cpu_others_ms"] / FLOOR_THEN[cases.SENDER_FLOOR]
    sender = known[cases.SENDER]["cpu_others_ms"]
    found.append(Budget("CPU of the sender, one https delivery", 70.0, sender, "ms", of_sender))
    for host in cases.HOSTS:
        for fault, name in FAULTS.items():
            wall = row(host, DUE)["faults"][fault]["over_well"]
            what = f"wall added by a {name}, over a server that answers, {host}"
            found.append(Budget(what, 5.0, wall, "ms"))
    size = row(BARE, CONSENTING)["installed_bytes"] / MB
    return [*found, Budget("installed", 0.25, size, "MB")]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the budgets in Markdown."""
    lines = ["| budget | at most | measured here | at the budget's speed | holds |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for one in budgets(rows):
        here = f"{one.measured:.2f} {one.unit}"
        scaled = f"{one.scaled:.2f} {one.unit}" if one.slower != 1 else "-"
        holds = "yes" if one.holds else "**no**"
        lines.append(f"| {one.what} | {one.most:g} {one.unit} | {here} | {scaled} | {holds} |")
    return "\n".join([*lines, ""])
