"""Puts a population into a store, or into a file of one event a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from askfirst.simulation.columns import Columns
from askfirst.simulation.lines import Lines
from askfirst.simulation.population import Population, Rows
from askfirst.stores.base import Events, Loaded, Store

# Events; an embedded store seals a load as large as this at once, and takes half the time for it.
TRANSACTION = 500_000


@dataclass(slots=True)
class _Waiting:
    """What goes into the next transaction."""

    parts: list[Events]
    events: int = 0


def fill(store: Store, population: Population, chunks: Iterable[Rows]) -> Loaded:
    """Load deliveries into a store, declare the contract there, and return what became of them.

    `chunks` are the population's arrivals; `received` is the simulated moment of each.
    """
    store.declare(population.contract)
    columns = Columns(population)
    total = Loaded(0, 0)
    waiting = _Waiting([])
    for rows in chunks:
        waiting.parts.append(columns.of(rows))
        waiting.events += len(rows)
        if waiting.events >= TRANSACTION:
            total = _load(store, waiting, total)
            waiting = _Waiting([])
    return _load(store, waiting, total)


def write(file: BinaryIO, population: Population, chunks: Iterable[Rows]) -> int:
    """Write deliveries as newline-delimited JSON of the wire format; return how many."""
    lines = Lines(population)
    written = 0
    for rows in chunks:
        file.write("".join([line + "\n" for line in lines.of(rows)]).encode("ascii"))
        written += len(rows)
    return written


def _load(store: Store, waiting: _Waiting, before: Loaded) -> Loaded:
    loaded = store.load(waiting.parts, {})
    return Loaded(before.stored + loaded.stored, before.duplicate + loaded.duplicate)
