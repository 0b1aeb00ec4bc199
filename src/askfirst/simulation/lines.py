"""Rows of a population as the JSON that is sent: the bytes of `Event.encode`, made faster."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from askfirst.contract.event import Event
from askfirst.contract.jsontext import dumps
from askfirst.simulation.population import Population, Rows
from askfirst.simulation.remembered import ByFields

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_BARE = Event("", "", 0, "", "", {}).encode().decode()
# where each of the 32 hex digits of a UUID stands in its text
_PLACES = np.array([at + sum(at >= dash for dash in (8, 12, 16, 20)) for at in range(32)])


class Lines:
    """Turns deliveries into events of the wire format, ASCII JSON without a line end."""

    def __init__(self, population: Population) -> None:
        self._population = population
        commands = population.contract.commands
        self._versions = np.array([dumps(one) for one in population.versions], dtype=object)
        self._commands = np.array([dumps(one) for one in commands], dtype=object)
        self._fields: ByFields[str] = ByFields(population, _tail)

    def of(self, rows: Rows) -> list[str]:
        columns = zip(
            _uuid_texts(rows["id"]),
            self._population.pseudonyms.of(rows["installation"]),
            rows["timestamp"].tolist(),
            self._versions[rows["version"]].tolist(),
            self._commands[rows["command"]].tolist(),
            self._fields.of(rows),
            strict=True,
        )
        return [
            f'{{"id":"{id_}","installationId":"{who.hex()}","timestamp":{timestamp},'
            f'"cli":{{"version":{version},"command":{command}}}{tail}'
            for id_, who, timestamp, version, command, tail in columns
        ]


def _tail(fields: dict[str, Any]) -> str:
    """Return what stands behind `cli` in an event with these fields."""
    return Event("", "", 0, "", "", fields).encode().decode()[len(_BARE) - 1 :]


def _uuid_texts(ids: NDArray[np.void]) -> list[str]:
    raw = np.ascontiguousarray(ids).view(np.uint8).reshape(len(ids), 16)
    digits = np.empty((len(ids), 32), dtype=np.uint8)
    digits[:, 0::2] = _HEX[raw >> 4]
    digits[:, 1::2] = _HEX[raw & 15]
    text = np.full((len(ids), 36), ord("-"), dtype=np.uint8)
    text[:, _PLACES] = digits
    whole = text.tobytes().decode("ascii")
    return [whole[at : at + 36] for at in range(0, len(whole), 36)]
