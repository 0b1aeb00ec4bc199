"""Fills a contract's fields: draws codes, and turns codes into treated values.

A code is a small integer, so that a million events are a few arrays; -1 is a value left out. Two
codes of one installation differ exactly when their treated values do: the true answers count codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from askfirst.contract.event import treat
from askfirst.contract.model import Contract, Field
from askfirst.simulation.habits import MOST_APPLICATIONS, MOST_ENVIRONMENTS
from askfirst.simulation.remembered import ByCode

Codes = NDArray[np.int32]
Texts = NDArray[np.object_]  # treated values; the last is None, so that code -1 finds it

APPLICATION, ENVIRONMENT = "application.name", "application.env"
APPLICATIONS = ("chat", "shop", "blog", "wiki", "crm", "intranet", "billing", "search", "maps")
ENVIRONMENTS = ("development", "production", "staging", "test", "preview", "ci")
HASHED = 4  # distinct values of any other hashed field, per installation
VERSIONS = ("18.19.1", "20.11.0", "20.18.2", "22.9.0", "22.12.0", "24.1.0", "24.10.0")
MISSING = 0.05  # chance that an event lacks one of its fields


class Values(Protocol):
    """How one field is drawn and read."""

    def draw(self, rng: np.random.Generator, day: int, installation: Codes) -> Codes:
        """Draw a code for each event of a day (counted from the first)."""

    def texts(self, codes: Codes) -> list[Any]:
        """Return the treated values of codes."""

    def all_for(self, codes: Codes) -> Texts:
        """Return treated values by code; those of these codes are among them."""


class Listed:
    """A field with few possible values: each installation keeps to one, and strays now and then."""

    def __init__(
        self, rng: np.random.Generator, size: int, values: list[str | bool], climbs: float = 0.0
    ) -> None:
        """Draw who keeps to what; `climbs` is the mean number of steps up the list in 100 days."""
        self._texts = np.array([*values, None], dtype=object)
        self._count = len(values)
        usual = rng.beta(1.2, 2.0, size) * len(values)
        self._usual = np.minimum(usual, len(values) - 1).astype(np.float64)
        self._pace = rng.exponential(climbs / 100, size) if climbs else np.zeros(size)
        self._strays = 0.0 if climbs else 0.12

    def draw(self, rng: np.random.Generator, day: int, installation: Codes) -> Codes:
        usual = self._usual[installation] + self._pace[installation] * day
        codes = np.minimum(usual, self._count - 1).astype(np.int32)
        if self._strays:
            away = np.flatnonzero(rng.random(len(codes)) < self._strays)
            codes[away] = rng.integers(0, self._count, len(away))
        return codes

    def texts(self, codes: Codes) -> list[Any]:
        found: list[Any] = self._texts[codes].tolist()
        return found

    def all_for(self, codes: Codes) -> Texts:  # noqa: ARG002 - they are all there
        return self._texts


class Hashed:
    """A hashed field: code = installation x width + which of the installation's own values.

    Hashes are made when first asked for, by the contract's own `treat`, and kept: 113 bytes each.
    """

    def __init__(
        self,
        field: Field,
        secret: Callable[[int], str],
        size: int,
        width: int,
        names: tuple[str, ...],
    ) -> None:
        self._field = field
        self._secret = secret
        self._width = width
        self._names = names
        self._texts = ByCode(size * width, self._hash)

    def draw(self, rng: np.random.Generator, day: int, installation: Codes) -> Codes:  # noqa: ARG002 - which value it is does not change with time
        own = (rng.random(len(installation)) ** 2 * self._width).astype(np.int32)
        codes: Codes = installation * np.int32(self._width) + own
        return codes

    def texts(self, codes: Codes) -> list[Any]:
        return self._texts.of(codes)

    def all_for(self, codes: Codes) -> Texts:
        return self._texts.all_for(codes)

    def plain(self, own: int) -> str:
        """Return the text that is hashed."""
        round_, place = divmod(own, len(self._names))
        return self._names[place] + (f"-{round_ + 1}" if round_ else "")

    def _hash(self, code: int) -> object:
        installation, own = divmod(code, self._width)
        return treat(self._field, self.plain(own), self._secret(installation))


def values(
    contract: Contract, rng: np.random.Generator, size: int, secret: Callable[[int], str]
) -> dict[str, Values]:
    """Return how to fill each field; `secret` gives an installation's UUID."""
    return {field.name: _values(field, rng, size, secret) for field in contract.fields.values()}


def is_drawn_from_habits(field: Field) -> bool:
    """True for the hashed application fields: which one is in use is a habit, not chance."""
    return field.treatment == "hash" and field.name in (APPLICATION, ENVIRONMENT)


def _values(
    field: Field, rng: np.random.Generator, size: int, secret: Callable[[int], str]
) -> Values:
    if field.treatment == "hash":
        if field.name == APPLICATION:
            return Hashed(field, secret, size, MOST_APPLICATIONS, APPLICATIONS)
        if field.name == ENVIRONMENT:
            return Hashed(field, secret, size, MOST_ENVIRONMENTS, ENVIRONMENTS)
        return Hashed(field, secret, size, HASHED, (field.name.rpartition(".")[2],))
    if field.treatment == "version":
        return Listed(rng, size, list(VERSIONS), climbs=1.0)
    if field.treatment == "flag":
        return Listed(rng, size, [False, True])
    return Listed(rng, size, list(field.labels()))


def leave_out(rng: np.random.Generator, columns: list[Codes]) -> None:
    """Take one field away from some events, as a tool does that cannot always tell."""
    if not columns:
        return
    size = len(columns[0])
    gone = np.flatnonzero(rng.random(size) < MISSING)
    which = rng.integers(0, len(columns), len(gone))
    for place, column in enumerate(columns):
        column[gone[which == place]] = -1
