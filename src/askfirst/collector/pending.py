"""What a collector acknowledged and was killed before it had loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from askfirst.collector import segment
from askfirst.collector.loader import Loader
from askfirst.collector.log import Log, prepare
from askfirst.collector.metrics import Metrics
from askfirst.contract.event import now_ms
from askfirst.stores.base import Store, StoreError


def load_pending(folder: Path, store: Store, say: Callable[[str], None]) -> None:
    """Move what lies in a log's folder into the store. Raises StoreError, OSError.

    Whoever erases or copies a store means this too.
    """
    if not any(segment.number_of(path.name) is not None for path in folder.glob("*.log")):
        return
    log = Log(folder, store.position(prepare(folder)), say)
    loader = Loader(log, store, [], Metrics(), now_ms, say)
    log.close()
    loader.start()
    loader.stop()
    if loader.trouble:
        raise StoreError(f"{folder} holds events that the store does not take: {loader.trouble}")
