"""What stands between a request and the log, whichever process it is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from askfirst.collector import ingest, wolkenkit
from askfirst.collector.capped import CappedLog
from askfirst.collector.clients import Clients
from askfirst.collector.config import Limits
from askfirst.collector.direct import Direct
from askfirst.collector.ingest import Taken
from askfirst.collector.limits import DailyCap, RateLimit
from askfirst.collector.log import Log
from askfirst.collector.metrics import Cell, Metrics
from askfirst.collector.pipeline import Terms
from askfirst.contract.model import Contract


class Door:
    """Holds events against the contracts in force, and counts.

    `now` returns ms UTC.
    """

    def __init__(
        self,
        log: Log | Direct,
        contracts: Sequence[Contract],
        limits: Limits,
        metrics: Metrics,
        now: Callable[[], int],
    ) -> None:
        self.limits = limits
        self.metrics = metrics
        self.now = now
        self.clients = Clients(limits.trusted_proxies)
        self._rate = RateLimit(limits.requests_per_minute, limits.burst)
        self._cap = DailyCap(limits.events_per_day)
        self._admit = self._admit_today if limits.events_per_day else None
        self.log = CappedLog(log, self._cap) if limits.events_per_day else log
        self._accepted: dict[str, Cell] = {}
        self.terms: Mapping[str, Terms] = {}
        self.agree(contracts)

    def agree(self, contracts: Sequence[Contract]) -> None:
        """Put contracts in force, all at once: a request is held against the old or the new."""
        self.terms = {contract.name: Terms(contract) for contract in contracts}

    def wait(
        self, peer: str, forwarded: str | None, x_forwarded_for: str | None, *, cost: int = 1
    ) -> float:
        """Return how many seconds a client has to wait before its next request, 0 if none.

        `cost` says how many requests it counts as.
        """
        key = self.clients.key(peer, forwarded, x_forwarded_for)
        return 0.0 if key is None else self._rate.allow(key, cost)

    def is_limited(self, peer: str) -> bool:
        """Tell whether `wait` may say anything but 0 for a client that names nobody else."""
        return self.clients.key(peer) is not None

    def take_events(self, body: bytes) -> Taken:
        """Check a batch (`POST /v1/events`). Raises Refusal."""
        return ingest.take(body, self.terms, self.now(), self._admit)

    def take_command(self, body: bytes) -> Taken:
        """Check what a wolkenkit CLI sends (`POST /v1/command`). Raises Refusal."""
        return wolkenkit.take_command(body, self.terms, self.now(), self._admit)

    @property
    def asks_of_each(self) -> bool:
        """Tell whether an installation has had its share is asked of each event."""
        return self._admit is not None

    def count(self, taken: Taken) -> None:
        """Count what was acknowledged. Always in the thread of the loop."""
        cell = self._accepted.get(taken.tool)
        if cell is None:
            cell = self.metrics.cell("askfirst_events_accepted_total", tool=taken.tool)
            self._accepted[taken.tool] = cell
        cell.n += taken.accepted
        for _, reason in taken.dropped:
            self.metrics.add("askfirst_events_dropped_total", tool=taken.tool, reason=reason.value)

    def _admit_today(self, tool: str, installation: bytes, _timestamp: int) -> bool:
        return self._cap.admit(tool, installation, self.now())
