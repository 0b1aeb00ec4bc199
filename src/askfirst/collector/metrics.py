"""What the collector counts about itself, and the Prometheus text form of it.

https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock
from typing import TypeAlias

Labels: TypeAlias = tuple[tuple[str, str], ...]

# name -> (type, help)
METRICS = {
    "askfirst_requests_total": ("counter", "Requests answered, by route and status."),
    "askfirst_events_accepted_total": ("counter", "Events acknowledged, by tool."),
    "askfirst_events_dropped_total": ("counter", "Events refused, by tool and reason."),
    "askfirst_events_stored_total": ("counter", "Events moved from the log into the store."),
    "askfirst_events_duplicate_total": ("counter", "Events the store had already."),
    "askfirst_store_failures_total": ("counter", "Attempts to move events that failed."),
    "askfirst_log_bytes": ("gauge", "Bytes of the log on the disk."),
    "askfirst_log_waiting_bytes": ("gauge", "Bytes in memory that wait to be written."),
    "askfirst_log_corrupt_segments": ("gauge", "Damaged segments set aside since the start."),
}

_WITHOUT_LABELS = (  # these stand at 0 from the start, as Prometheus likes it
    "askfirst_events_stored_total",
    "askfirst_events_duplicate_total",
    "askfirst_store_failures_total",
)


class Metrics:
    """Counters that any thread may add to. None of them carries an address or an identifier."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counters: Counter[tuple[str, Labels]] = Counter(
            {(name, ()): 0 for name in _WITHOUT_LABELS}
        )

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to a counter named in METRICS."""
        assert name in METRICS, name
        if amount:
            with self._lock:
                self._counters[name, tuple(sorted(labels.items()))] += amount

    def value(self, name: str, **labels: str) -> int:
        """Return what a counter stands at."""
        with self._lock:
            return self._counters[name, tuple(sorted(labels.items()))]

    def text(self, gauges: Mapping[str, int]) -> str:
        """Return counters, and the given gauges, as Prometheus reads them."""
        with self._lock:
            rows = sorted(self._counters.items())
        lines: list[str] = []
        for name, (kind, about) in METRICS.items():
            lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
            if kind == "gauge":
                lines.append(f"{name} {gauges[name]}")
            lines += [f"{name}{_braces(labels)} {n}" for (row, labels), n in rows if row == name]
        return "\n".join(lines) + "\n"


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escape(value)}"' for key, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
