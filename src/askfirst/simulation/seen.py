"""What a population was seen to do up to a day: plain arrays, filled one day after the other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from askfirst.simulation.habits import NEVER
from askfirst.simulation.population import Population, Rows

TRAILING = 28  # days


@dataclass(slots=True)
class Seen:
    """Events up to the day asked about; days are counted from the first simulated one."""

    active: NDArray[np.bool_]  # day x installation
    first: NDArray[np.int64]  # installation x version: ms UTC of the first event, or NEVER
    last: NDArray[np.int64]  # installation: ms UTC of the last event; -1: none
    trailing: dict[int, Rows]  # day -> its events, for the last 28 days
    stored: int
    duplicate: int

    @property
    def regular(self) -> NDArray[np.bool_]:
        """Installations active on at least 4 days of the trailing 28."""
        regular: NDArray[np.bool_] = self.active[-TRAILING:].sum(axis=0) >= 4
        return regular


def look(population: Population, as_of: date) -> Seen:
    """Go through the days up to `as_of`, which may lie past the last simulated one."""
    days = max(0, (as_of - population.first).days + 1)
    size = population.installations
    seen = Seen(
        active=np.zeros((days, size), dtype=bool),
        first=np.full((size, len(population.versions)), NEVER, dtype=np.int64),
        last=np.full(size, -1, dtype=np.int64),
        trailing={},
        stored=0,
        duplicate=0,
    )
    for day in range(min(days, population.days)):
        rows = population.rows(day)
        seen.active[day, rows["installation"]] = True
        where = (rows["installation"], rows["version"])
        np.minimum.at(seen.first, where, rows["timestamp"])
        np.maximum.at(seen.last, rows["installation"], rows["timestamp"])
        seen.stored += len(rows)
        seen.duplicate += int(np.count_nonzero(rows["again"] >= 0))
        if days - day <= TRAILING:
            seen.trailing[day] = rows
    return seen


def codes(population: Population, rows: Rows, name: str) -> list[int]:
    """Return what each event says about its application or environment, -1 for nothing."""
    field = population.contract.fields.get(name)
    if field is None or field.treatment == "flag":  # true and false name nothing
        return [-1] * len(rows)
    found: list[int] = rows[name].tolist()
    return found
