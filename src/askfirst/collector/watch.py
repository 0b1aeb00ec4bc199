"""Files that may change while a collector runs: contracts, a certificate and its key."""

from __future__ import annotations

import os
from collections.abc import Sequence

Signature = tuple[tuple[int, int, int] | None, ...]


class Watched:
    """Tells when any of some files was written or replaced since it was last asked."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._seen = self._look()

    def changed(self) -> bool:
        """Tell whether something changed since the last call."""
        now = self._look()
        if now == self._seen:
            return False
        self._seen = now
        return True

    def _look(self) -> Signature:
        return tuple(_signature(path) for path in self._paths)


def _signature(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - a path from the command line, as it came
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
