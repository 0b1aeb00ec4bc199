"""The parts that a collector is made of, and the order in which they start and stop."""

from __future__ import annotations

from collections.abc import Callable

from askfirst.collector.config import Config
from askfirst.collector.loader import Loader
from askfirst.collector.log import Log, prepare
from askfirst.collector.metrics import Metrics
from askfirst.collector.pipeline import Terms
from askfirst.collector.request import Refusal
from askfirst.stores.base import Position, Store


class Collector:
    """A log, a store, and the loader between them.

    `now` returns ms UTC, `say` takes one line for the operator. Raises OSError if the log's folder
    cannot be used, StoreError if the store cannot.
    """

    def __init__(
        self, config: Config, store: Store, *, now: Callable[[], int], say: Callable[[str], None]
    ) -> None:
        self.config = config
        self.store = store
        self.now = now
        self.terms = {contract.name: Terms(contract) for contract in config.contracts}
        self.metrics = Metrics()
        for contract in config.contracts:
            store.declare(contract)
        self.log = Log(
            config.log_folder,
            store.position(prepare(config.log_folder)),
            say,
            segment_bytes=config.segment_bytes,
            waiting_bytes=config.waiting_bytes,
        )
        self.loader = Loader(self.log, store, config.contracts, self.metrics, now, say)

    def start(self) -> None:
        """Begin to move the log into the store."""
        self.loader.start()

    def stop(self) -> None:
        """Write what was taken, load it, and end. The store stays open."""
        self.log.close()
        self.loader.stop()

    def terms_of(self, tool: str) -> Terms:
        """Return what a tool may send. Raises Refusal (404) for a tool without a contract."""
        if tool not in self.terms:
            raise Refusal(404, "this collector has no contract for that tool; ask its operator")
        return self.terms[tool]

    async def caught_up(self, position: Position | None = None) -> None:
        """Wait until the store has what was accepted before now, or before `position`.

        Raises Refusal (503) when that takes too long.
        """
        if not await self.loader.reach(position or self.log.durable(), self.config.patience):
            raise Refusal(
                503,
                "the store is behind; nothing is lost, try again later",
                {"retry-after": "30"},
            )
