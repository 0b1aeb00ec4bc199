"""What the collector counts about itself, and the Prometheus text form of it.

https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4)
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]
Counts: TypeAlias = list[tuple[str, Labels, float]]

COMMIT = "askfirst_commit_seconds"
# name -> (type, help)
METRICS = {
    "askfirst_requests_total": ("counter", "Requests answered, by route and status."),
    "askfirst_events_accepted_total": ("counter", "Events acknowledged, by tool."),
    "askfirst_events_dropped_total": ("counter", "Events refused, by tool and reason."),
    "askfirst_events_stored_total": ("counter", "Events moved from the log into the store."),
    "askfirst_events_duplicate_total": ("counter", "Events the store had already."),
    "askfirst_events_erased_total": ("counter", "Events erased because a user asked for it."),
    "askfirst_erasures_total": ("counter", "Installations erased because a user asked for it."),
    "askfirst_store_failures_total": ("counter", "Attempts to move events that failed."),
    COMMIT: ("histogram", "Seconds from a request's events to their fsync."),
    "askfirst_log_bytes": ("gauge", "Bytes of the log on the disk."),
    "askfirst_log_fullest_ratio": ("gauge", "Part of its quota that the fullest log has, 0 to 1."),
    "askfirst_log_quota_bytes": ("gauge", "Bytes that the log may have on the disk."),
    "askfirst_log_waiting_bytes": ("gauge", "Bytes in memory that wait to be written."),
    "askfirst_log_corrupt_segments": ("gauge", "Damaged segments set aside since the start."),
    "askfirst_connections": ("gauge", "Open connections."),
    "askfirst_store_bytes": ("gauge", "Bytes of the store on its disk."),
    "askfirst_ready": ("gauge", "1 while events are taken, 0 while they are refused."),
}
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)  # seconds

_WITHOUT_LABELS = (  # these stand at 0 from the start, as Prometheus likes it
    "askfirst_events_stored_total",
    "askfirst_events_duplicate_total",
    "askfirst_events_erased_total",
    "askfirst_erasures_total",
    "askfirst_store_failures_total",
)


class Cell:
    """A counter that one thread alone adds to, by `n`: without a lock, and found beforehand."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Metrics:
    """Counters that any thread may add to. None of them carries an address or an identifier."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counters: Counter[tuple[str, Labels]] = Counter(
            {(name, ()): 0 for name in _WITHOUT_LABELS}
        )
        self._cells: dict[tuple[str, Labels], Cell] = {}
        self._seconds = [0] * (len(BOUNDS) + 1)
        self._seconds_sum = 0.0

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter named in METRICS."""
        assert name in METRICS, name
        if amount:
            with self._lock:
                self._counters[name, tuple(sorted(labels.items()))] += amount

    def cell(self, name: str, **labels: str) -> Cell:
        """Return the part of a counter that the calling thread adds to, and no other thread."""
        assert name in METRICS, name
        with self._lock:
            return self._cells.setdefault((name, tuple(sorted(labels.items()))), Cell())

    def commit(self, seconds: float) -> None:
        """Note how long a commit took."""
        with self._lock:
            self._seconds[bisect_left(BOUNDS, seconds)] += 1
            self._seconds_sum += seconds

    def value(self, name: str, **labels: str) -> int:
        """Return what a counter stands at."""
        with self._lock:
            return self._all()[name, tuple(sorted(labels.items()))]

    def counts(self) -> Counts:
        """Return everything counted, as rows that can be sent to another process."""
        with self._lock:
            rows: Counts = [(name, labels, n) for (name, labels), n in self._all().items()]
            total = 0
            for bound, n in zip((*map(str, BOUNDS), "+Inf"), self._seconds, strict=True):
                total += n
                rows.append((f"{COMMIT}_bucket", (("le", bound),), total))
            rows += [(f"{COMMIT}_sum", (), self._seconds_sum), (f"{COMMIT}_count", (), total)]
        return rows

    def _all(self) -> Counter[tuple[str, Labels]]:
        sums = self._counters.copy()
        for key, cell in self._cells.items():
            if cell.n:
                sums[key] += cell.n
        return sums


def add_up(parts: Iterable[Counts]) -> Counts:
    """Return the sums of what several processes counted."""
    sums: dict[tuple[str, Labels], float] = {}
    for part in parts:
        for name, labels, n in part:
            key = (name, tuple((key, value) for key, value in labels))
            sums[key] = sums.get(key, 0) + n
    return [(name, labels, n) for (name, labels), n in sums.items()]


def text(counts: Counts, gauges: Mapping[str, float]) -> str:
    """Return counts and gauges as Prometheus reads them."""
    lines: list[str] = []
    for name, (kind, about) in METRICS.items():
        if kind == "gauge" and name not in gauges:
            continue  # nobody could say
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        if kind == "gauge":
            lines.append(f"{name} {_number(gauges[name])}")
            continue
        rows = [row for row in counts if row[0] == name or row[0].startswith(f"{name}_")]
        if kind == "counter":
            rows = sorted(row for row in rows if row[0] == name)
        lines += [f"{row}{_braces(labels)} {_number(n)}" for row, labels, n in rows]
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else repr(value)


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escape(value)}"' for key, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
