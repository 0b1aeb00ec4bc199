"""What the dashboard gets to see of a collector."""

from __future__ import annotations

from datetime import date

from askfirst.collector import private
from askfirst.collector.access import Access
from askfirst.collector.collector import Collector
from askfirst.collector.request import Refusal
from askfirst.dashboard.pages import BehindError, Site
from askfirst.dashboard.public import PublicFigures
from askfirst.questions.calendar import day_of
from askfirst.stores.base import DAY_MS


def site_of(collector: Collector, access: Access) -> Site:
    """Return the dashboard's view of a collector."""

    async def caught_up() -> None:
        try:
            await collector.caught_up()
        except Refusal as refusal:
            raise BehindError(refusal.error) from refusal

    def today() -> date:
        return day_of(collector.now() // DAY_MS)

    return Site(
        store=collector.store,
        caught_up=caught_up,
        guard=access.guard,
        open=access.is_open(),
        public=_public(collector),
        today=today,
    )


def _public(collector: Collector) -> PublicFigures | None:
    config = collector.config
    if config.public_file is None:
        return None
    return PublicFigures(
        collector.store,
        config.public_file,
        private.write,
        threshold=config.public_threshold,
        secret=config.public_secret,
        today=lambda: collector.now() // DAY_MS,
    )
