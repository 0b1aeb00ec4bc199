"""What is made once and used for many events: hashes by code, and whole sets of fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from askfirst.simulation.population import Population, Rows

T = TypeVar("T")
MOST = 100_000  # sets of fields kept: about 40 MB; then all are forgotten and made anew


class ByCode:
    """Values for the codes 0 to size - 1, each made when first asked for; None for code -1."""

    def __init__(self, size: int, make: Callable[[int], object]) -> None:
        self._make = make
        self._known = np.zeros(size + 1, dtype=bool)
        self._known[-1] = True
        self._values = np.full(size + 1, None, dtype=object)

    def of(self, codes: NDArray[np.int32]) -> list[Any]:
        """Return the value of each code."""
        found: list[Any] = self.all_for(codes)[codes].tolist()
        return found

    def all_for(self, codes: NDArray[np.int32]) -> NDArray[np.object_]:
        """Return what has the values of these codes, and perhaps others, at their places."""
        for code in np.unique(codes[~self._known[codes]]).tolist():
            self._values[code] = self._make(code)
            self._known[code] = True
        return self._values


class ByFields(Generic[T]):
    """One value for each set of fields that occurs: 0.2 µs an event; a dict for each takes 0.8."""

    def __init__(self, population: Population, make: Callable[[dict[str, Any]], T]) -> None:
        """`make` gets the treated values by name, those left out missing; the result is shared."""
        self._values = population.values
        self._make = make
        self._known: dict[bytes, T] = {}

    def of(self, rows: Rows) -> list[T]:
        if not self._values:
            return [self._make({})] * len(rows)
        codes = np.stack([rows[name] for name in self._values], axis=1)
        keys = codes.view(f"V{4 * codes.shape[1]}").ravel().tolist()  # bytes hash fastest
        if len(self._known) > MOST:
            self._known.clear()
        new = [key for key in set(keys) if key not in self._known]
        if new:
            self._add(new)
        return list(map(self._known.__getitem__, keys))

    def _add(self, keys: list[bytes]) -> None:
        codes = np.frombuffer(b"".join(keys), dtype=np.int32).reshape(len(keys), -1)
        texts = [value.texts(codes[:, at]) for at, value in enumerate(self._values.values())]
        for key, row in zip(keys, zip(*texts, strict=True), strict=True):
            pairs = zip(self._values, row, strict=True)
            self._known[key] = self._make({name: text for name, text in pairs if text is not None})
