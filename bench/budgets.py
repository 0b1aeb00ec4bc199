"""What the client may cost, beside what was measured: each a median of interleaved pairs."""

from __future__ import annotations

from typing import Any, NamedTuple

import cases

MB = 1_000_000
UNDECIDED, REFUSED, CONSENTING, DUE = cases.STATES
BARE, CLICK = cases.HOSTS
FAULTS = {"closed": "closed port", "silent": "silent server"}


class Budget(NamedTuple):
    """`most` and `measured` in `unit`."""

    what: str
    most: float
    measured: float
    unit: str

    @property
    def holds(self) -> bool:
        """Tell whether it is kept."""
        return self.measured <= self.most


def budgets(rows: list[dict[str, Any]]) -> list[Budget]:
    """Return every budget with what the rows of the large table say of it."""
    known = {row["case"]: row for row in rows}

    def row(host: str, state: str) -> dict[str, Any]:
        return known[cases.ours(host, state)]

    def added(host: str, state: str) -> float:
        cpu: float = row(host, state)["cpu_added_ms"]
        return cpu

    found = []
    for host, no, yes in ((BARE, 0.3, 1.0), (CLICK, 1.0, 2.0)):
        for state, most in ((UNDECIDED, no), (REFUSED, no), (CONSENTING, yes)):
            found.append(Budget(f"CPU added, {host}: {state}", most, added(host, state), "ms"))
    for host in cases.HOSTS:
        start = added(host, DUE) - added(host, CONSENTING)
        found.append(Budget(f"CPU of starting a delivery, {host}", 2.0, start, "ms"))
    for host in cases.HOSTS:
        for fault, name in FAULTS.items():
            wall = row(host, DUE)["faults"][fault]["over_well"]
            what = f"wall added by a {name} over a server that answers, {host}"
            found.append(Budget(what, 5.0, wall, "ms"))
    found.append(Budget("CPU of the sender", 70.0, known[cases.SENDER]["cpu_others_ms"], "ms"))
    size = row(BARE, CONSENTING)["installed_bytes"] / MB
    return [*found, Budget("installed", 0.25, size, "MB")]


def table(rows: list[dict[str, Any]]) -> str:
    """Return the budgets in Markdown."""
    lines = ["| budget | at most | measured | holds |", "| --- | --- | --- | --- |"]
    for one in budgets(rows):
        measured = f"{one.measured:.2f} {one.unit}"
        holds = "yes" if one.holds else "**no**"
        lines.append(f"| {one.what} | {one.most:g} {one.unit} | {measured} | {holds} |")
    return "\n".join([*lines, ""])
