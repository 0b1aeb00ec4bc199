"""Measures what `scale.py` needs to know of installations and of the size of what they send.

The installations are those of `askfirst simulate` with the example's contract: 3,000 over a year.
Their deliveries follow the client's rule: a command starts one if the last was an hour ago or more,
and it takes along what waits.
"""

from __future__ import annotations

import zlib
from datetime import date
from pathlib import Path

import numpy as np

from askfirst.collector.ingest import take
from askfirst.collector.pipeline import Terms
from askfirst.contract.loading import load
from askfirst.simulation import Population
from askfirst.simulation.lines import Lines
from askfirst.simulation.population import Rows

CONTRACT = Path(__file__).parents[1] / "examples/stratus/stratus/telemetry.toml"
INSTALLATIONS, DAYS, SEED, END = 3_000, 365, 1, date(2026, 11, 22)  # a Sunday
HOUR_MS = 3_600_000
COMPRESS_FROM = 1_000  # bytes; of client/transport.py
BODIES = 5_000  # of which sizes are measured


def measure() -> dict[str, float]:
    """Return values by their names in `scale.INPUTS`."""
    contract = load(CONTRACT)
    population = Population(
        contract, installations=INSTALLATIONS, days=DAYS, seed=SEED, end=END, late_share=0
    )
    days = [population.rows(day) for day in range(DAYS)]
    rows = np.concatenate(days)
    rows = rows[np.lexsort((rows["timestamp"], rows["installation"]))]
    batch = deliveries(rows["installation"], rows["timestamp"])
    people = sum(len(np.unique(part["installation"])) for part in _quarters(days)) / 4
    week = np.bincount(rows["timestamp"] // HOUR_MS % 168, minlength=168)
    body, log = _sizes(population, rows, batch)
    return {
        "events": len(rows) / people / DAYS,
        "deliveries": (batch[-1] + 1) / people / DAYS,
        "hour": float(week.max() / week.mean()),
        "body": body,
        "log": log,
    }


def deliveries(who: np.ndarray, when: np.ndarray) -> np.ndarray:
    """Return the number of the delivery that takes each event along, sorted by who and when (ms).

    The first command of an installation starts one at once, and so does each an hour or more after
    the last that did; what is recorded in between waits for the next.
    """
    number = np.empty(len(who), dtype=np.int64)
    count, begin, due, last = 0, 0, 0, -1
    for at, (person, moment) in enumerate(zip(who.tolist(), when.tolist(), strict=True)):
        if person != last:
            if begin < at:  # what waited at the end goes with a later run
                number[begin:at] = count
                count += 1
            begin, due, last = at, 0, person
        if moment >= due:
            number[begin : at + 1] = count
            count, begin, due = count + 1, at + 1, moment + HOUR_MS
    if begin < len(number):
        number[begin:] = count
    return number


def _quarters(days: list[Rows]) -> list[Rows]:
    """Return the events of the four quarters: who is seen in one counts as an installation."""
    size = len(days) // 4
    return [np.concatenate(days[at * size : (at + 1) * size]) for at in range(4)]


def _sizes(population: Population, rows: Rows, batch: np.ndarray) -> tuple[float, float]:
    """Return the mean body of a delivery, and the mean bytes of an event in the log."""
    contract = population.contract
    lines = Lines(population)
    terms = {contract.name: Terms(contract)}
    chosen = np.random.default_rng(SEED).choice(batch[-1] + 1, BODIES, replace=False)
    starts = np.searchsorted(batch, np.sort(chosen))
    ends = np.searchsorted(batch, np.sort(chosen), side="right")
    sent = logged = events = 0
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        texts = lines.of(rows[start:end])
        head = f'{{"tool":"{contract.name}","contract":"{contract.digest}","events":['
        body = (head + ",".join(texts) + "]}").encode("ascii")
        taken = take(body, terms, int(rows["timestamp"][end - 1]))
        packed = len(zlib.compress(body, wbits=31)) if len(body) >= COMPRESS_FROM else len(body)
        sent, logged, events = sent + packed, logged + len(taken.payload), events + end - start
    return sent / BODIES, logged / events
