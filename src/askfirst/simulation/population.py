"""A population: who there is, what there is to run, and every event of any day."""

from __future__ import annotations

import zlib
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from askfirst.contract.hashing import hash_text
from askfirst.contract.model import Contract
from askfirst.simulation import fields, habits
from askfirst.simulation.habits import DAY_MS, MOST_APPLICATIONS, MOST_ENVIRONMENTS
from askfirst.simulation.releases import releases
from askfirst.simulation.remembered import ByCode

LATE_SHARE: Final = 0.03
DUPLICATE_SHARE: Final = 0.01
HOUR_MS: Final = 3_600_000
LATE_DAYS: Final = 6.0  # mean delay of a late event, beyond the first day
LATEST_DAYS: Final = 35.0
SAMPLE_EVERY: Final = 8  # days; not a week, so that every weekday is among them
MOST_EVENTS: Final = 400  # of one installation on one day

Rows = NDArray[np.void]  # one event each; see Population.dtype


class Population:
    """A synthetic population of one tool, the same for the same arguments.

    Its events are never held together: `rows` draws those of any one day, again and again the same.
    Memory: about 400 bytes per installation, and 100 for each hash once it has been made.
    """

    def __init__(
        self,
        contract: Contract,
        *,
        installations: int,
        days: int,
        seed: int,
        end: date,
        late_share: float = LATE_SHARE,
        duplicate_share: float = DUPLICATE_SHARE,
        events: int | None = None,
    ) -> None:
        """Draw who there is. `days` are UTC days, `end` the last; shares are from 0 to 1.

        With `events`, installations are as busy on their active days as makes about so many.

        Raises ValueError for a period longer than the contract's retention.
        """
        if days > contract.retention_days:
            raise ValueError(
                f"{days} days are more than the contract keeps: "
                f"retention_days is {contract.retention_days}, and a collector refuses older events"
            )
        self.contract = contract
        self.installations = installations
        self.days = days
        self.first = end - timedelta(days=days - 1)
        self.end = end
        self.late_share = late_share
        self.duplicate_share = duplicate_share
        self.releases = releases(contract, self.first, end)
        self.versions = tuple(release.version for release in self.releases)
        # The tool is part of the seed: two tools do not share installations.
        self._seed = (seed, zlib.crc32(contract.name.encode()))
        rng = np.random.default_rng([*self._seed, 0])
        self._secrets = _uuids(rng.integers(0, 256, (installations, 16), dtype=np.uint8), version=4)
        self.habits = habits.draw(rng, installations, self.first, days, self.releases)
        if events is not None:
            self.habits.busy[:] *= self._busier(events)
        self.values = fields.values(contract, rng, installations, self.secret)
        self.pseudonyms = ByCode(installations, self._pseudonym)  # 32 bytes each
        weights = 1 / np.arange(1, len(contract.commands) + 1) ** 1.2
        self._commands = np.cumsum(weights / weights.sum())
        self.dtype = np.dtype(
            [
                ("id", "V16"),
                ("timestamp", np.int64),  # ms UTC
                ("received", np.int64),  # ms UTC
                ("again", np.int64),  # ms UTC of a second delivery; -1: none
                ("installation", np.int32),
                ("version", np.int16),  # index into `versions`
                ("command", np.int16),  # index into the contract's commands
                *((name, np.int32) for name in contract.fields),  # codes; see fields.py
            ]
        )

    def secret(self, installation: int) -> str:
        """Return the UUID of an installation: what never leaves a real machine."""
        text: str = bytes(self._secrets[installation]).hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def _busier(self, events: int) -> float:
        """Return what to multiply everybody's business with for about so many events."""
        some = range(0, self.days, SAMPLE_EVERY)
        chances = sum(
            self.habits.chance(day, (self.first + timedelta(days=day)).weekday()) for day in some
        )
        share = self.days / len(some)
        first, more = np.sum(chances) * share, np.sum(chances * self.habits.busy) * share
        return float(max((events - first) / more, 0.0)) if more else 1.0

    def _pseudonym(self, installation: int) -> bytes:
        secret = self.secret(installation)
        return bytes.fromhex(hash_text(secret, secret))

    def rows(self, day: int) -> Rows:
        """Draw the events of a day, counted from the first; in no order, each of them once."""
        rng = np.random.default_rng([*self._seed, 1, day, self.first.toordinal()])
        today = self.first + timedelta(days=day)
        who, timestamp = self._moments(rng, day, today)
        version = self._versions(rng, who, timestamp)
        ran = version >= 0  # else nothing was released yet
        who, timestamp, version = who[ran], timestamp[ran], version[ran]
        rows: Rows = np.empty(len(who), dtype=self.dtype)
        rows["installation"] = who
        rows["timestamp"] = timestamp
        rows["version"] = version
        rows["command"] = self._draw_commands(rng, who)
        for name, codes in self._draw_fields(rng, day, who).items():
            rows[name] = codes
        rows["id"] = _ids(rng, timestamp)
        self._deliver(rng, rows)
        return rows

    def _moments(
        self, rng: np.random.Generator, day: int, today: date
    ) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Draw who is active on a day, once for each event, and when (ms UTC)."""
        chance = self.habits.chance(day, today.weekday())
        active = np.flatnonzero(rng.random(self.installations) < chance).astype(np.int32)
        events = np.minimum(1 + rng.poisson(self.habits.busy[active]), MOST_EVENTS)
        who = np.repeat(active, events)
        hour = (self.habits.noon[who] + rng.normal(0.0, 2.5, len(who))) % 24
        ms = np.minimum((hour * HOUR_MS).astype(np.int64), DAY_MS - 1)
        return who, habits.instant(today) + ms

    def _versions(
        self, rng: np.random.Generator, who: NDArray[np.int32], timestamp: NDArray[np.int64]
    ) -> NDArray[np.int16]:
        """Return the version of each event: the highest adopted by then, or the one pinned."""
        version = np.full(len(who), -1, dtype=np.int16)
        for place in range(len(self.releases)):
            version[self.habits.adopts[who, place] <= timestamp] = place
        pinned = self.habits.pinned[who] & (rng.random(len(who)) < 0.3)
        version[pinned] = self.habits.first_version[who[pinned]]
        return version

    def _draw_commands(self, rng: np.random.Generator, who: NDArray[np.int32]) -> NDArray[np.int64]:
        """Draw commands: half the time an installation's favourite, else by frequency."""
        place = np.where(
            rng.random(len(who)) < 0.5, self.habits.favourite[who], rng.random(len(who))
        )
        found = np.searchsorted(self._commands, place, side="right")
        return np.minimum(found, len(self._commands) - 1)

    def _draw_fields(
        self, rng: np.random.Generator, day: int, who: NDArray[np.int32]
    ) -> dict[str, NDArray[np.int32]]:
        application, environment = self._draw_applications(rng, day, who)
        columns = {}
        for name, field in self.contract.fields.items():
            if not fields.is_drawn_from_habits(field):
                columns[name] = self.values[name].draw(rng, day, who)
            else:
                columns[name] = application if name == fields.APPLICATION else environment
        fields.leave_out(rng, list(columns.values()))
        return columns

    def _draw_applications(
        self, rng: np.random.Generator, day: int, who: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Draw the application and environment of each event, as codes."""
        count = self.habits.applications[who]
        own = (rng.random(len(who)) ** 2 * count).astype(np.int32)
        turn = self.habits.in_turn[who]
        turns = turn > 0
        own[turns] = day // turn[turns] % np.maximum(count[turns], 1)
        kinds = self.habits.environments[who, own]
        drawn = (rng.random(len(who)) ** 1.5 * kinds).astype(np.int32)
        drawn += self.habits.first_environment[who, own]
        application = who * np.int32(MOST_APPLICATIONS) + own
        environment = who * np.int32(MOST_ENVIRONMENTS) + drawn
        outside = (count == 0) | (rng.random(len(who)) < 0.03)
        application[outside] = -1
        environment[outside] = -1
        return application, environment

    def _deliver(self, rng: np.random.Generator, rows: Rows) -> None:
        """Draw when each event arrives, and which arrive once more; all before the period ends."""
        size = len(rows)
        left = habits.instant(self.end) + DAY_MS - 1 - rows["timestamp"]
        delay = 1000 + rng.random(size) * HOUR_MS  # a sender delivers hourly at the most
        late = np.flatnonzero(rng.random(size) < self.late_share)
        days = np.minimum(1 + rng.exponential(LATE_DAYS, len(late)), LATEST_DAYS)
        delay[late] = days * DAY_MS
        # What would come after the end comes before it, spread evenly: nothing is lost.
        delay = np.where(delay > left, rng.random(size) * left, delay)
        rows["received"] = rows["timestamp"] + delay.astype(np.int64)
        rows["again"] = -1
        twice = np.flatnonzero(rng.random(size) < self.duplicate_share)
        more = np.minimum(rng.exponential(12 * HOUR_MS, len(twice)), left[twice] - delay[twice])
        rows["again"][twice] = rows["received"][twice] + np.maximum(more, 0).astype(np.int64)


def _ids(rng: np.random.Generator, timestamp: NDArray[np.int64]) -> NDArray[Any]:
    """Make a UUID version 7 (RFC 9562, 5.7) for each moment, as 16 bytes."""
    size = len(timestamp)
    raw = np.frombuffer(rng.bytes(16 * size), dtype=np.uint8).reshape(size, 16).copy()
    raw[:, :6] = timestamp.astype(">u8").view(np.uint8).reshape(size, 8)[:, 2:]
    return _uuids(raw, version=7).view("V16").reshape(size)


def _uuids(raw: NDArray[np.uint8], version: int) -> NDArray[np.uint8]:
    """Set version and variant in rows of 16 bytes."""
    raw[:, 6] = raw[:, 6] & 0x0F | version << 4
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    return raw
