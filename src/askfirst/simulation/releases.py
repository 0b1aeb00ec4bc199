"""The versions a population can run, and when each becomes available."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from typing import Any

from askfirst.contract.model import Contract
from askfirst.contract.version import is_released, precedence

LOWEST = ("0.9.0", "0.1.0", "0.0.1", "0.0.0")  # what came before a contract's first release
EARLIER = 3  # invented releases older than the period: people start on one of these
MOST = 12  # invented releases in the period
EVERY = 20  # days between invented releases, at the least while there are more than three
FIRST_DOUBLE_DIGIT = 10  # 1.10.0 falls in the middle of the period: string order would be wrong


@dataclass(frozen=True, slots=True)
class Release:
    """A version and the day, 00:00 UTC, from which it can be run."""

    version: str
    day: date

    @property
    def is_pre(self) -> bool:
        """True if only testers would install it."""
        return any(letter.isalpha() for letter in self.version) and "post" not in self.version


def releases(contract: Contract, first: date, last: date) -> tuple[Release, ...]:
    """Return what can be run between `first` and `last`, by precedence.

    The contract's own releases, if any of them falls in the period, with a version before them if
    none is older; otherwise an invented sequence after the contract's latest.
    """
    declared = [
        Release(version, date.fromisoformat(day))
        for version, day in contract.releases.items()
        if is_released(version) and date.fromisoformat(day) <= last
    ]
    declared.sort(key=_order)
    if any(release.day >= first for release in declared):
        found = declared if declared[0].day < first else [*_before(declared[0], first), *declared]
    else:
        found = sorted(
            [*declared[-EARLIER:], *_invented(contract, declared, first, last)], key=_order
        )
    return tuple(found)


def _order(release: Release) -> Any:
    return precedence(release.version)


def _before(lowest: Release, first: date) -> list[Release]:
    """Return an undeclared version for those who were there before the first declared one."""
    for version in LOWEST:
        release = Release(version, first - timedelta(days=1))
        if _order(release) < _order(lowest):
            return [release]
    return []


def _invented(
    contract: Contract, declared: list[Release], first: date, last: date
) -> list[Release]:
    """Make up releases: minor versions past .9, a pre-release and a patch."""
    major, minor = _start(contract, declared)
    days = (last - first).days + 1
    wanted = max(3, min(MOST, days // EVERY))
    start = max(minor, FIRST_DOUBLE_DIGIT - wanted // 2)
    names = (f"{major}.{number}.0" for number in count(start - (0 if declared else EARLIER)))
    free = (name for name in names if name not in contract.releases)
    found = [
        Release(next(free), first - timedelta(days=1)) for _ in range(0 if declared else EARLIER)
    ]
    for place in range(wanted):
        day = first + timedelta(days=days * (place + 1) // (wanted + 1))
        found.append(Release(next(free), day))
    middle = found[-((wanted + 1) // 2)]  # 1.10.0, unless the contract has later ones
    gap = timedelta(days=max(1, days // (wanted + 1) // 2))
    extras = [
        Release(f"{middle.version}-rc.1", max(first, middle.day - gap)),
        Release(f"{middle.version[:-1]}1", min(last, middle.day + gap)),
    ]
    return found + [extra for extra in extras if extra.version not in contract.releases]


def _start(contract: Contract, declared: list[Release]) -> tuple[int, int]:
    """Return the (major, minor) that invented versions begin with."""
    if declared:
        numbers = [*_order(declared[-1])[1], 0]
        return numbers[0], numbers[1] + 1
    return (0 if contract.releases else 1), 1
