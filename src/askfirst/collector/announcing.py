"""Says in a file beside a store where the collector that serves it can be asked, while one runs."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from askfirst.collector import private


@dataclass(frozen=True, slots=True)
class Announcement:
    """Where a collector is asked, its process, its store (`opening.identity`), and the file of the
    certificate that it shows, if any.
    """

    url: str
    pid: int
    store: str
    certificate: str | None = None


@contextmanager
def announced(path: Path, row: Announcement) -> Iterator[None]:
    """Keep an announcement in a file, mode 0600, and a lock on it. Raises OSError."""
    part = private.write_part(path, json.dumps(asdict(row)))
    with part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # before anybody can see it
        part.replace(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def who_serves(path: Path, store: str) -> Announcement | None:
    """Return what a collector that runs announces for a store, or None if none does.

    One that was killed leaves its file, but no lock: whoever has its port now must not be sent the
    token.
    """
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                row = json.loads(file.read())
            else:
                return None
        found = Announcement(row["url"], row["pid"], row["store"], row["certificate"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.store == store else None
