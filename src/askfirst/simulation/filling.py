"""Puts a population into a store, or into a file of one event a line."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from askfirst.simulation.columns import Columns
from askfirst.simulation.lines import Lines
from askfirst.simulation.population import Population, Rows
from askfirst.stores.base import Events, Loaded, Store

# Events; an embedded store seals a load as large as this at once, and takes half the time for it.
TRANSACTION = 500_000


def fill(store: Store, population: Population, chunks: Iterable[Rows]) -> Loaded:
    """Load deliveries into a store, declare the contract there, and return what became of them.

    `chunks` are the population's arrivals; `received` is the simulated moment of each.
    """
    store.declare(population.contract)
    columns = Columns(population)
    stored = duplicate = 0
    with contextlib.closing(_one_ahead(_transactions(columns, chunks))) as transactions:
        for parts in transactions:
            loaded = store.load(parts, {})
            stored, duplicate = stored + loaded.stored, duplicate + loaded.duplicate
    return Loaded(stored, duplicate)


def write(file: BinaryIO, population: Population, chunks: Iterable[Rows]) -> int:
    """Write deliveries as newline-delimited JSON of the wire format; return how many."""
    lines = Lines(population)
    written = 0
    for rows in chunks:
        file.write("".join([line + "\n" for line in lines.of(rows)]).encode("ascii"))
        written += len(rows)
    return written


def _transactions(columns: Columns, chunks: Iterable[Rows]) -> Iterator[list[Events]]:
    """Yield what is loaded at a time."""
    parts: list[Events] = []
    size = 0
    for rows in chunks:
        parts.append(columns.of(rows))
        size += len(rows)
        if size >= TRANSACTION:
            yield parts
            parts, size = [], 0
    if parts:
        yield parts


def _one_ahead(transactions: Iterator[list[Events]]) -> Generator[list[Events], None, None]:
    """Yield the same, the next being made in a thread meanwhile: numpy sorts and DuckDB stores side
    by side, which saves what making them takes where there are two cores.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, transactions, None)
        while (parts := coming.result()) is not None:
            coming = thread.submit(next, transactions, None)
            yield parts
