"""What a collector acknowledged and was killed before it had loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from askfirst.collector.loader import Loader
from askfirst.collector.metrics import Metrics
from askfirst.collector.tail import Tail
from askfirst.contract.event import now_ms
from askfirst.stores.base import Store, StoreError


def load_pending(folder: Path, store: Store, say: Callable[[str], None]) -> None:
    """Move what lies in a collector's logs into the store. Raises StoreError, LogHeld, OSError.

    Whoever erases or copies a store means this too.
    """
    logs = {path.parent for path in folder.glob("*/*.log")}
    if not logs:
        return
    tails = [Tail(log, store.position, say) for log in sorted(logs)]
    loader = Loader(tails, store, list, Metrics(), now_ms, say)
    loader.start()
    loader.stop()
    if loader.trouble:
        raise StoreError(f"{folder} holds events that the store does not take: {loader.trouble}")
