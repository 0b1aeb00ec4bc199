"""Rows of a population as the columns a store loads."""

from __future__ import annotations

from typing import Any

import numpy as np

from askfirst.simulation.population import Population, Rows
from askfirst.simulation.remembered import ByFields
from askfirst.stores.base import Events


class Columns:
    """Turns deliveries into what `Store.load` takes. Events with equal fields share one mapping."""

    def __init__(self, population: Population) -> None:
        self._population = population
        self._versions = np.array(population.versions, dtype=object)
        self._commands = np.array(population.contract.commands, dtype=object)
        self._fields: ByFields[dict[str, Any]] = ByFields(population, lambda fields: fields)

    def of(self, rows: Rows) -> Events:
        return Events(
            tool=self._population.contract.name,
            id=rows["id"].tolist(),
            timestamp=rows["timestamp"].tolist(),
            received=rows["received"].tolist(),
            installation=self._population.pseudonyms.of(rows["installation"]),
            version=self._versions[rows["version"]].tolist(),
            command=self._commands[rows["command"]].tolist(),
            fields=list(self._fields.of(rows)),
        )
