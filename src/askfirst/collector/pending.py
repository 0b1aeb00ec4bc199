"""What a collector acknowledged and was killed before it had loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from askfirst.collector.loader import Loader
from askfirst.collector.log import LogHeld
from askfirst.collector.metrics import Metrics
from askfirst.collector.tail import Tail
from askfirst.contract.event import now_ms
from askfirst.stores.base import Store, StoreError, StoreHeldError


def load_pending(folder: Path, store: Store, say: Callable[[str], None]) -> None:
    """Move what lies in a collector's logs into the store. Raises StoreError, OSError.

    Whoever erases or copies a store means this too. Raises StoreHeldError while a collector runs: a
    store on a server does not tell.
    """
    logs = {path.parent for path in folder.glob("*/*.log")}
    if not logs:
        return
    try:
        tails = [Tail(log, store.position, say) for log in sorted(logs)]
    except LogHeld as error:
        raise StoreHeldError(f"a collector is writing in {folder}") from error
    loader = Loader(tails, store, list, Metrics(), now_ms, say, retains=False)
    loader.start()
    loader.stop()
    if loader.trouble:
        raise StoreError(f"{folder} holds events that the store does not take: {loader.trouble}")
