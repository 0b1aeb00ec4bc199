"""What a collector tells anybody: its health, its counters, its contracts, its interface."""

from __future__ import annotations

import json
from importlib import resources

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from askfirst.collector.collector import Collector
from askfirst.collector.ingest import terms_of
from askfirst.collector.metrics import text


class Public:
    """Handlers that need no token and give away nothing that does."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def health(self, _request: Request) -> Response:
        """`GET /health`: 200 as long as the process lives.

        `ready` says whether events are taken; `status` is degraded while the store takes none.
        """
        ready = await self._ready()
        status = "degraded" if self._collector.loader.trouble or not ready else "ok"
        return JSONResponse({"status": status, "ready": ready})

    async def ready(self, _request: Request) -> Response:
        """`GET /health/ready`: 200 while events are taken, 503 while they are refused."""
        ready = await self._ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def _ready(self) -> bool:
        return await self._collector.is_ready()

    async def metrics(self, _request: Request) -> Response:
        """`GET /metrics`: counters as Prometheus reads them."""
        counts, gauges = await self._collector.statistics()
        return PlainTextResponse(text(counts, gauges), media_type="text/plain; version=0.0.4")

    async def contract(self, request: Request) -> Response:
        """`GET /v1/contracts/{tool}`: the contract in force, and its digest."""
        terms = terms_of(self._collector.door.terms, request.path_params["tool"])
        contract = terms.contract
        return JSONResponse({"contract": contract.as_dict(), "digest": contract.digest})

    async def openapi(self, _request: Request) -> Response:
        """`GET /openapi.json`: the interface, for programs."""
        return JSONResponse(openapi())


def openapi() -> dict[str, object]:
    """Return the OpenAPI description of the collector."""
    text = resources.files("askfirst.collector").joinpath("openapi.json").read_text("utf-8")
    document: dict[str, object] = json.loads(text)
    return document
