"""How much one client, and one installation, may send. All of it lives in memory alone.

Each process of a collector counts for itself, so several of them let through at most as many times
as much: a limit is here to stop a flood, not to bill anybody.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from askfirst.stores.base import DAY_MS

# One installation delivers at most once an hour. 10,000 of them behind one address, as at a large
# university, make 167 requests a minute; a farm that fails to look like CI delivers once a job.
REQUESTS_PER_MINUTE = 600
REQUESTS_BURST = 1_200  # lecture halls begin on the hour
# An erasure ends a segment of the log and searches the store; this leaves 30 a minute.
ERASURE_COST = 20
# A person types a few hundred commands a day, a script in a loop any number of them.
EVENTS_PER_DAY = 5_000
MOST_CLIENTS = 100_000  # about 18 MB, if that many come within minutes
MOST_INSTALLATIONS = 200_000  # about 30 MB, if that many come within a day

_KEPT_BYTES = 16  # of an installation's hash: enough that nobody hits on another's


class RateLimit:
    """A token bucket for each client: `burst` at once, `per_minute` for ever; 0 is no limit.

    At most `most_clients` are remembered, and none longer than `minutes` after it was last let in.
    Who is forgotten begins with a full bucket, so somebody with more than `most_clients` addresses
    has no limit: no memory is large enough for that. `now` returns seconds.
    """

    def __init__(
        self,
        per_minute: int = REQUESTS_PER_MINUTE,
        burst: int = REQUESTS_BURST,
        most_clients: int = MOST_CLIENTS,
        minutes: int = 10,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._off = per_minute <= 0
        self._burst = max(burst, 1)
        self._seconds = 0.0 if self._off else 60.0 / per_minute  # until one token is back
        self._full = self._burst * self._seconds
        # The older half of both limits is dropped at once: cheaper than keeping an order.
        self._most = max(most_clients // 2, 1)
        self._lifetime = minutes * 60.0 / 2
        # key -> when the bucket is full again (the generic cell rate algorithm, ITU-T I.371)
        self._young: dict[bytes, float] = {}
        self._old: dict[bytes, float] = {}
        self._next = now() + self._lifetime

    def __len__(self) -> int:
        """Return how many clients are remembered."""
        return len(self._young.keys() | self._old.keys())

    def allow(self, key: bytes, cost: int = 1) -> float:
        """Take `cost` tokens and return 0.0, or take none and return the seconds until there are.

        A cost above the burst counts as the burst: it would wait for ever otherwise.
        """
        if self._off:
            return 0.0
        now = self._now()
        if now >= self._next or len(self._young) >= self._most:
            self._forget(now)
        full_at = self._young.get(key) or self._old.get(key) or now
        full_at = max(full_at, now) + min(cost, self._burst) * self._seconds
        wait = full_at - now - self._full
        if wait > 1e-9:  # a sum of floats
            return wait
        self._young[key] = full_at
        return 0.0

    def _forget(self, now: float) -> None:
        idle = now >= self._next + self._lifetime
        self._old = {} if idle else self._young
        self._young = {}
        self._next = now + self._lifetime


class DailyCap:
    """At most `per_day` events of an installation for each day (UTC) of arrival; 0 is no limit.

    It bounds what one broken script can add, not what somebody can forge who makes up
    installations: each of those has a cap of its own. The first `most` installations of a day are
    counted; whoever comes after them that day is admitted uncounted, because to refuse would be to
    let a forger silence everybody else.
    """

    def __init__(self, per_day: int = EVENTS_PER_DAY, most: int = MOST_INSTALLATIONS) -> None:
        self._per_day = per_day
        self._most = most
        self._day = -1
        self._size = 0
        self._counts: dict[str, dict[bytes, int]] = {}

    def __len__(self) -> int:
        """Return how many installations are counted today."""
        return self._size

    def admit(self, tool: str, installation: bytes, timestamp: int) -> bool:
        """Count an event that arrived at `timestamp` (ms UTC); tell whether it is to be taken."""
        if self._per_day <= 0:
            return True
        day = timestamp // DAY_MS
        if day != self._day:
            self._day, self._size, self._counts = day, 0, {}
        counts = self._counts.setdefault(tool, {})
        key = installation[:_KEPT_BYTES]
        count = counts.get(key, 0)
        if count >= self._per_day:
            return False
        if count == 0:
            if self._size >= self._most:
                return True
            self._size += 1
        counts[key] = count + 1
        return True

    def give_back(self, tool: str, installation: bytes, timestamp: int) -> None:
        """Take back that an event was counted on the day of `timestamp` (ms UTC), if it was."""
        counts = self._counts.get(tool, {})
        key = installation[:_KEPT_BYTES]
        if timestamp // DAY_MS != self._day or key not in counts:
            return
        counts[key] -= 1
        if counts[key] == 0:
            del counts[key]
            self._size -= 1
