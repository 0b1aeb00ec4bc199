"""What a collector tells anybody: its health, its counters, its contracts, its interface."""

from __future__ import annotations

import json
from importlib import resources

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from askfirst.collector.collector import Collector


class Public:
    """Handlers that need no token and give away nothing that does."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def health(self, _request: Request) -> Response:
        """`GET /health`: 200 as long as the door is open, whatever the store does."""
        trouble = self._collector.loader.trouble
        return JSONResponse({"status": "degraded" if trouble else "ok"})

    async def metrics(self, _request: Request) -> Response:
        """`GET /metrics`: counters as Prometheus reads them."""
        log = self._collector.log
        gauges = {
            "askfirst_log_bytes": log.size(),
            "askfirst_log_waiting_bytes": log.waiting(),
            "askfirst_log_corrupt_segments": log.corrupt,
        }
        return PlainTextResponse(
            self._collector.metrics.text(gauges),
            media_type="text/plain; version=0.0.4",
        )

    async def contract(self, request: Request) -> Response:
        """`GET /v1/contracts/{tool}`: the contract in force, and its digest."""
        contract = self._collector.terms_of(request.path_params["tool"]).contract
        return JSONResponse({"contract": contract.as_dict(), "digest": contract.digest})

    async def openapi(self, _request: Request) -> Response:
        """`GET /openapi.json`: the interface, for programs."""
        return JSONResponse(openapi())


def openapi() -> dict[str, object]:
    """Return the OpenAPI description of the collector."""
    text = resources.files("askfirst.collector").joinpath("openapi.json").read_text("utf-8")
    document: dict[str, object] = json.loads(text)
    return document
