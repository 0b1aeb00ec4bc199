"""Whether the clock can be believed before it decides what is forgotten, backups included."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from askfirst.collector import private
from askfirst.stores.base import DAY_MS, STORED, Store

FILE = "retained"  # beside the logs: when retention was done last, ms UTC
SURE_DAYS = 35  # since then; a clock that is wrong is wrong by hours, or by years
DOUBT_DAYS = 7  # of running; a clock that nobody has put right by then is taken to be right
LAST_DAY = 2**31 - 1


class Retention:
    """Remembers in a folder when retention was done; `say` takes one line for the operator.

    Without a folder, where nothing may be kept on this machine, it remembers until it ends.
    """

    def __init__(
        self,
        folder: Path | None,
        say: Callable[[str], None],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._say = say
        self._elapsed = elapsed  # seconds, by no clock that can be wrong
        self._doubted_at: float | None = None
        self._last: int | None = None

    def is_sure(self, store: Store, now: int) -> bool:
        """Tell whether `now` (ms UTC) is at most SURE_DAYS after the last retention, or has been
        doubted for DOUBT_DAYS.

        Where none was noted, the newest arrival counts, and is noted: what arrives later arrives by
        the same clock. Raises OSError, StoreError.
        """
        last = self._last if self._folder is None else _noted(self._folder)
        if last is None:
            last = _newest(store)
            if last is None:
                return True
        if now - last <= SURE_DAYS * DAY_MS:
            self._doubted_at = None
            return True
        self.done(last)
        if self._doubted_at is None:
            self._doubted_at = self._elapsed()
            day = datetime.fromtimestamp(now / 1000, timezone.utc).date()
            self._say(
                f"nothing is forgotten: by the clock it is {day}, {(now - last) // DAY_MS} days "
                f"after the last time; if that is right, run `askfirst store retain`, else put it "
                f"right within {DOUBT_DAYS} days"
            )
        return self._elapsed() - self._doubted_at >= DOUBT_DAYS * DAY_MS / 1000

    def done(self, now: int) -> None:
        """Note that retention was done, or counts as done, at `now` (ms UTC). Raises OSError."""
        self._last = now
        if self._folder is not None:
            note(self._folder, now)


def note(folder: Path, now: int) -> None:
    """Note that retention was done, or counts as done, at `now` (ms UTC). Raises OSError."""
    private.write(folder / FILE, str(now))


def _noted(folder: Path) -> int | None:
    try:
        return int((folder / FILE).read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def _newest(store: Store) -> int | None:
    """Return the last day of which an event is stored, its beginning in ms UTC."""
    days = [
        int(str(day))
        for tool in store.tools()
        for day, kind, _ in store.query("quality", {"tool": tool, "as_of": LAST_DAY})
        if kind == STORED
    ]
    return max(days) * DAY_MS if days else None
