"""The order in which a collector sees a population's events: by arrival, not by timestamp."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from askfirst.contract.sampling import limit
from askfirst.simulation import habits
from askfirst.simulation.habits import DAY_MS
from askfirst.simulation.population import Population, Rows

CHUNK = 50_000  # events; as Python objects about 30 MB


def arrivals(population: Population, chunk: int = CHUNK) -> Iterator[Rows]:
    """Yield every delivery by order of arrival, second deliveries too, at most `chunk` at a time.

    Works a day at a time, because a day is what a collector has seen when the next one begins: in
    memory are one day's rows and the late ones still on their way (of five weeks at the most).
    Nothing comes from installations that the contract's sample leaves out.
    """
    takes_part = _sample(population)
    waiting: defaultdict[int, list[Rows]] = defaultdict(list)
    start = habits.instant(population.first)
    for day in range(population.days):
        for arrives, rows in _by_day_of_arrival(_of(population.rows(day), takes_part), start):
            waiting[arrives].append(rows)
        due = np.concatenate(waiting.pop(day, [np.empty(0, dtype=population.dtype)]))
        due = due[np.argsort(np.ascontiguousarray(due["received"]), kind="stable")]
        for at in range(0, len(due), chunk):
            yield due[at : at + chunk]


def _sample(population: Population) -> NDArray[np.bool_] | None:
    """Tell of each installation whether it takes part; None if all do."""
    if population.contract.sample >= 1:
        return None
    below = bytes.fromhex(limit(population.contract.sample))
    everybody = np.arange(population.installations, dtype=np.int32)
    return np.array([hashed < below for hashed in population.pseudonyms.of(everybody)])


def _of(rows: Rows, takes_part: NDArray[np.bool_] | None) -> Rows:
    return rows if takes_part is None else rows[takes_part[rows["installation"]]]


def _by_day_of_arrival(rows: Rows, start: int) -> Iterator[tuple[int, Rows]]:
    """Yield (day counted from `start` in ms UTC, deliveries of that day), firsts before seconds."""
    if not len(rows):
        return
    seconds = rows[rows["again"] >= 0]
    seconds["received"] = seconds["again"]
    both = np.concatenate([rows, seconds])
    days = ((both["received"] - start) // DAY_MS).astype(np.int16)  # numpy sorts these by counting
    order = np.argsort(days, kind="stable")
    found, begins = np.unique(days[order], return_index=True)
    for day, part in zip(found.tolist(), np.split(order, begins[1:]), strict=True):
        yield day, both[part]
