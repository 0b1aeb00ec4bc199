"""Rows of a population as the columns a store loads."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from askfirst.simulation.population import Population, Rows
from askfirst.stores.base import Events


class Columns:
    """Turns deliveries into what `Store.load` takes."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._versions = np.array(population.versions, dtype=object)
        self._commands = np.array(population.contract.commands, dtype=object)

    def of(self, rows: Rows) -> Events:
        population = self._population
        return Events(
            tool=population.contract.name,
            id=bytearray(rows["id"].tobytes()),
            timestamp=_array(rows["timestamp"]),
            received=_array(rows["received"]),
            installation=bytearray(b"".join(population.pseudonyms.of(rows["installation"]))),
            version=self._versions[rows["version"]].tolist(),
            command=self._commands[rows["command"]].tolist(),
            fields={name: values.texts(rows[name]) for name, values in population.values.items()},
        )


def _array(column: NDArray[Any]) -> array[int]:
    return array("q", column.astype(np.int64).tobytes())
