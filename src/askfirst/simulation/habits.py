"""What each installation tends to do, drawn once: arrays with one value per installation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from askfirst.simulation.releases import Release

DAY_MS: Final = 86_400_000
MOST_APPLICATIONS: Final = 12
MOST_ENVIRONMENTS: Final = 6
NEVER: Final = np.iinfo(np.int64).max

DAILY, WEEKLY, RARE, LAPSED = range(4)
KINDS = (0.30, 0.30, 0.25, 0.15)  # shares of the population
# chance of an active day: kind x (weekday, weekend); the weekly have a day of their own besides
ACTIVE = np.array([[0.75, 0.12], [0.04, 0.01], [0.03, 0.03], [0.5, 0.1]])
WEEKLY_DAY = 0.85
STAYS = np.array([900.0, 700.0, 900.0, 25.0])  # mean days until an installation stops for good
THERE_BEFORE = 0.4  # share that is there from the first day; the others arrive over the period
QUICK, SLOW, UNMOVED = range(3)
UPDATERS = (0.45, 0.35, 0.20)
UPDATE_DAYS = np.array([2.5, 40.0, 1.0])  # mean days from a release to the update
SKIPS = 0.2  # chance to sit a release out
TESTERS = 0.08  # share that installs pre-releases
NEWEST = 0.7  # chance to start with the newest release; the others start with an older one
PINNED = 0.04  # share that also goes on using the version it started with


@dataclass(frozen=True, slots=True)
class Habits:
    """One value per installation in each array; days count from the first simulated day."""

    arrives: NDArray[np.int32]  # active on this day for certain; -1: was there before
    leaves: NDArray[np.int32]  # not active from this day on
    kind: NDArray[np.int8]
    weekday: NDArray[np.int8]  # 0 is Monday: the day of the weekly
    busy: NDArray[np.float64]  # mean events on an active day, beyond the first
    noon: NDArray[np.float64]  # hour UTC around which it is used
    favourite: NDArray[np.float64]  # where among the commands, 0 to 1 by frequency
    applications: NDArray[np.int8]  # how many; 0: never names one
    in_turn: NDArray[np.int32]  # days with one application before the next; 0: side by side
    environments: NDArray[np.int8]  # per application (second axis): how many
    first_environment: NDArray[np.int8]  # per application: where in the list of names it begins
    first_version: NDArray[np.int16]  # index into the releases; -1: none was out yet
    pinned: NDArray[np.bool_]
    adopts: NDArray[np.int64]  # per release (second axis): ms UTC from which it has it, or NEVER

    def chance(self, day: int, weekday: int) -> NDArray[np.float64]:
        """Return each installation's chance to be active on a day (0 is Monday)."""
        chance: NDArray[np.float64] = ACTIVE[self.kind, int(weekday >= 5)]
        chance[(self.kind == WEEKLY) & (self.weekday == weekday)] = WEEKLY_DAY
        chance[(self.arrives > day) | (self.leaves <= day)] = 0.0
        chance[self.arrives == day] = 1.0
        return chance


def draw(
    rng: np.random.Generator, size: int, first: date, days: int, releases: tuple[Release, ...]
) -> Habits:
    """Draw the habits of `size` installations over `days` from `first`."""
    kind = rng.choice(4, size, p=KINDS).astype(np.int8)
    arrives = rng.integers(0, days, size).astype(np.int32)
    arrives[rng.random(size) < THERE_BEFORE] = -1
    stay = np.minimum(1 + rng.exponential(STAYS[kind]), 1e6).astype(np.int32)
    applications = 1 + np.minimum(rng.geometric(0.5, size) - 1, MOST_APPLICATIONS - 1)
    applications[rng.random(size) < 0.03] = 0
    in_turn = rng.integers(3, 60, size).astype(np.int32)
    in_turn[rng.random(size) < 0.6] = 0
    shape = (size, MOST_APPLICATIONS)
    environments = np.minimum(rng.geometric(0.55, shape), 4).astype(np.int8)
    first_environment = (rng.integers(0, 3, shape) * (rng.random(shape) < 0.3)).astype(np.int8)
    first_version = _first_versions(rng, arrives, first, releases)
    return Habits(
        arrives=arrives,
        leaves=np.maximum(arrives, 0) + stay,
        kind=kind,
        weekday=rng.integers(0, 5, size).astype(np.int8),
        busy=rng.gamma(0.8, 4.0, size),
        noon=rng.normal(13.0, 4.0, size),
        favourite=rng.random(size),
        applications=applications.astype(np.int8),
        in_turn=in_turn,
        environments=environments,
        first_environment=first_environment,
        first_version=first_version,
        pinned=(rng.random(size) < PINNED) & (first_version >= 0),
        adopts=_adoptions(rng, arrives, first_version, first, releases),
    )


def instant(day: date) -> int:
    """Return 00:00 UTC of a day in ms UTC."""
    return (day - date(1970, 1, 1)).days * DAY_MS


def _first_versions(
    rng: np.random.Generator, arrives: NDArray[np.int32], first: date, releases: tuple[Release, ...]
) -> NDArray[np.int16]:
    """Draw what each installation starts with: the newest final release of its day, or an older."""
    start = np.maximum(arrives, 0)
    finals = [(place, (r.day - first).days) for place, r in enumerate(releases) if not r.is_pre]
    out = np.zeros(len(arrives), dtype=np.int64)
    for _, day in finals:
        out += start >= day
    older = rng.geometric(0.6, len(arrives)) * (rng.random(len(arrives)) >= NEWEST)
    wanted = np.clip(out - 1 - older, 0, None)  # by precedence, among those that are out
    found = np.full(len(arrives), -1, dtype=np.int16)
    passed = np.zeros(len(arrives), dtype=np.int64)
    for place, day in finals:
        is_out = start >= day
        found[is_out & (passed == wanted)] = place
        passed += is_out
    return found


def _adoptions(
    rng: np.random.Generator,
    arrives: NDArray[np.int32],
    first_version: NDArray[np.int16],
    first: date,
    releases: tuple[Release, ...],
) -> NDArray[np.int64]:
    """Draw when each installation gets each release (ms UTC)."""
    size = len(arrives)
    updater = rng.choice(3, size, p=UPDATERS)
    tester = rng.random(size) < TESTERS
    start = instant(first) + np.maximum(arrives, 0).astype(np.int64) * DAY_MS
    adopts = np.full((size, len(releases)), NEVER, dtype=np.int64)
    for place, release in enumerate(releases):
        wait: NDArray[Any] = rng.exponential(UPDATE_DAYS[updater]) * DAY_MS
        moves = (updater != UNMOVED) & (rng.random(size) >= SKIPS) & (first_version < place)
        if release.is_pre:
            moves &= tester
        when = np.maximum(start, instant(release.day)) + wait.astype(np.int64)
        adopts[:, place] = np.where(moves, when, NEVER)
        adopts[first_version == place, place] = np.iinfo(np.int64).min
    return adopts
