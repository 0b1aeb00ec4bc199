"""Has a store make unreadable what was forgotten, in backups too, while loading goes on."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from threading import Event, Lock, Thread

from askfirst.collector.standing import stand_back
from askfirst.stores.base import Store, StoreError

LOOK = 1.0  # seconds between looks at the clock
AGAIN_MS = 30_000  # after a scrub that failed
# Whoever has made-up installations erased again and again must not keep a large store busy: scrubs
# take one SHAREth of the time; what they get of SPARE_MS may be had in advance.
SHARE, SPARE_MS, LONGEST_REST_MS = 5, 300_000, 3_600_000
NEVER = 2**62


class Scrubber:
    """The thread that scrubs a store.

    `now` returns ms UTC; `say` takes one line for the operator; `nice` is as of the loader.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], int],
        say: Callable[[str], None],
        *,
        nice: int = 0,
        look: float = LOOK,
    ) -> None:
        self._store = store
        self._now = now
        self._say = say
        self._nice = nice
        self._look = look
        self._lock = Lock()
        self._at = NEVER  # when to scrub next
        self._even_at = 0  # when the scrubs up to now will have had no more than their share
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="askfirst-scrubber", daemon=True)

    def start(self) -> None:
        """Begin to look whether anything is due."""
        self._thread.start()

    def stop(self) -> None:
        """End soon. What is half done is undone, and due at the next start."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def forgotten(self, wait_ms: int) -> None:
        """Something was forgotten: scrub at the earliest `wait_ms` from now."""
        with self._lock:
            self._at = min(self._at, self._after(wait_ms))

    def scrub(self) -> None:
        """Scrub in the caller's thread, whatever share that takes. Raises StoreError."""
        self._store.scrub(self._stopping.is_set)

    def scrub_when_due(self) -> None:
        """Scrub if it is time."""
        began = self._now()
        with self._lock:
            if began < self._at:
                return
            self._at = NEVER  # what is forgotten from now on is due again
        trouble: Exception | None = None
        try:
            self.scrub()
        except Exception as error:  # noqa: BLE001 - the thread must outlive any failure
            trouble = error
        now = self._now()
        with self._lock:
            even_at = max(self._even_at, began) + max(now - began, 0) * SHARE
            self._even_at = min(even_at, now + SPARE_MS + LONGEST_REST_MS)
            if trouble:
                self._at = min(self._at, now + AGAIN_MS)
            if self._at < NEVER:
                self._at = max(self._at, self._even_at - SPARE_MS)
        if trouble and not self._stopping.is_set():
            self._complain(trouble)

    def _after(self, wait_ms: int) -> int:
        return max(self._now() + wait_ms, self._even_at - SPARE_MS)

    def _complain(self, trouble: Exception) -> None:
        reason = str(trouble) or type(trouble).__name__
        self._say(f"what was erased can still be read in the store's files: {reason}")
        if not isinstance(trouble, (StoreError, OSError)):
            self._say("".join(traceback.format_exception(trouble)))

    def _run(self) -> None:
        stand_back(self._nice)
        while not self._stopping.wait(self._look):
            self.scrub_when_due()
