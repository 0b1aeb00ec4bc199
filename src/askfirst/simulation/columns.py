"""Rows of a population as the columns a store loads."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askfirst.simulation.population import Population, Rows
from askfirst.stores.base import Coded, Events


class Columns:
    """Turns deliveries into what `Store.load` takes."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._hashes = np.zeros(population.installations, "V32")
        self._is_hashed = np.zeros(population.installations, bool)

    def of(self, rows: Rows) -> Events:
        """Return the columns of some deliveries; those of texts as codes."""
        population = self._population
        return Events(
            tool=population.contract.name,
            id=bytearray(rows["id"].tobytes()),
            timestamp=_array(rows["timestamp"]),
            received=_array(rows["received"]),
            installation=bytearray(self._installations(rows["installation"])),
            version=Coded(rows["version"].astype(np.int32), population.versions),
            command=Coded(rows["command"].astype(np.int32), population.contract.commands),
            fields={
                name: Coded(np.ascontiguousarray(rows[name]), values.all_for(rows[name]))
                for name, values in population.values.items()
            },
        )

    def _installations(self, who: NDArray[np.int32]) -> bytes:
        new = np.unique(who[~self._is_hashed[who]])
        if len(new):
            hashes = b"".join(self._population.pseudonyms.of(new))
            self._hashes[new] = np.frombuffer(hashes, "V32")
            self._is_hashed[new] = True
        return self._hashes[who].tobytes()


def _array(column: NDArray[Any]) -> array[int]:
    made = array("q")
    made.frombytes(np.ascontiguousarray(column, np.int64).view(np.uint8).data)
    return made
