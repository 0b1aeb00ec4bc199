"""`POST /v1/store/check` and the like: an operator has a collector look after its store."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from askfirst.collector import upkeep
from askfirst.collector.collector import Collector
from askfirst.collector.request import Refusal, most_bytes
from askfirst.stores.base import Store

READING = frozenset(("check", "backup"))  # loading goes on meanwhile
MOST_BYTES = 4096


class Looking:
    """Looks after the store of a collector: one of `upkeep.JOBS`. `after` needs the token."""

    def __init__(self, collector: Collector, job: str) -> None:
        self._collector = collector
        self._job = job

    async def after(self, request: Request) -> Response:
        """Do the job on everything that was accepted before."""
        most_bytes(request.headers.get("content-type", "").encode("latin-1"), b"")  # JSON, no form
        body = await request.body()
        if len(body) > MOST_BYTES:
            raise Refusal(413, f"send at most {MOST_BYTES} bytes")
        collector = self._collector
        # what is to be erased must not come back from a log
        await collector.emptied()

        def work(store: Store) -> upkeep.Answer:
            config = collector.config
            place = upkeep.Place(store, config.store, collector.now, config.log_folder)
            return upkeep.begin(place, self._job, body)

        try:
            if self._job in READING:
                return JSONResponse(await asyncio.to_thread(work, collector.store))
            answer = await collector.loader.do(work)
            if self._job in upkeep.FORGETTING:  # loading goes on during this too
                await asyncio.to_thread(collector.scrubber.scrub)
            return JSONResponse(answer)
        except upkeep.UpkeepError as error:
            raise Refusal(422, str(error)) from error
