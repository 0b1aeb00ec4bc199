"""The collector as an ASGI application: every route stands here."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from askfirst.collector import upkeep
from askfirst.collector.access import Access
from askfirst.collector.answers import Answers
from askfirst.collector.attempts import ClientKey, keyed_by_peer
from askfirst.collector.clients import Clients
from askfirst.collector.collector import Collector
from askfirst.collector.config import Config
from askfirst.collector.endpoint import Endpoint
from askfirst.collector.erasure import take_erasure
from askfirst.collector.ingest import Take
from askfirst.collector.limits import ERASURE_COST
from askfirst.collector.log import LogError
from askfirst.collector.looking import Looking
from askfirst.collector.metrics import Metrics
from askfirst.collector.public import Public
from askfirst.collector.request import Refusal
from askfirst.collector.site import site_of
from askfirst.contract.event import now_ms
from askfirst.dashboard.pages import dashboard_routes
from askfirst.stores.base import Store, StoreError

FORWARDED = ("forwarded", "x-forwarded-for")


def build_app(
    config: Config,
    store: Store,
    *,
    now: Callable[[], int] = now_ms,
    say: Callable[[str], None] | None = None,
) -> Starlette:
    """Return the collector's application; it loads while it runs, and drains when it ends.

    `now` returns ms UTC; `say` takes one line for the operator (stderr if left out). The parts are
    in `app.state.collector`. Raises OSError for a log folder that cannot be used, StoreError.
    """
    collector = Collector(config, store, now=now, say=say or _to_stderr)
    app = Starlette(
        routes=routes(collector, Access(config.token, client=_client_of(collector.door.clients))),
        middleware=[Middleware(Counted, metrics=collector.metrics)],
        exception_handlers={
            HTTPException: _http_error,
            Refusal: _refused,
            StoreError: _store_error,
            LogError: _log_error,
            ClientDisconnect: _gone,
            Exception: _failed,
        },
        lifespan=_lifespan,
    )
    app.router.redirect_slashes = False
    app.state.collector = collector
    return app


def routes(collector: Collector, access: Access) -> list[BaseRoute]:
    """Return every route of the collector."""
    answers, public = Answers(collector), Public(collector)
    site = site_of(collector, access)
    wait, seconds = collector.door.wait, collector.config.limits.body_seconds
    events = Endpoint(partial(_keep, collector, collector.door.take_events), wait, seconds)
    command = Endpoint(partial(_keep, collector, collector.door.take_command), wait, seconds)
    # it searches the store, and somebody who guesses at installations should not get far
    costly = partial(wait, cost=ERASURE_COST)
    erasures = Endpoint(partial(take_erasure, collector), costly, seconds)
    return [
        Route("/v1/events", events, methods=["POST"]),
        Route("/v1/command", command, methods=["POST"]),
        Route("/v1/erasures", erasures, methods=["POST"]),
        Route("/v1/contracts/{tool}", public.contract),
        Route("/v1/answers/{report}", access.guard(answers.report)),
        *(
            Route(f"/v1/store/{job}", access.guard(Looking(collector, job).after), methods=["POST"])
            for job in upkeep.JOBS
        ),
        *dashboard_routes(site),
        Route("/login", access.enter, methods=["GET", "POST"]),
        Route("/logout", access.logout, methods=["POST"]),
        Route("/health", public.health),
        Route("/health/ready", public.ready),
        Route("/metrics", public.metrics),
        Route("/openapi.json", public.openapi),
    ]


async def _keep(collector: Collector, take: Take, body: bytes) -> bytes:
    """Take events that came through the application; nearly all are taken at the door."""
    return await collector.keep(take(body))


def _client_of(clients: Clients) -> ClientKey:
    """Tell clients apart by who a trusted proxy says they are; nobody may guess without limits."""
    by_peer = keyed_by_peer()

    def client(request: HTTPConnection) -> bytes | None:
        peer = request.client.host if request.client else ""
        told = [", ".join(request.headers.getlist(name)) or None for name in FORWARDED]
        return clients.key(peer, *told) or by_peer(request)

    return client


class Counted:
    """Counts requests by route and status; the route is its pattern, never what was asked for."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = str(message["status"])
                self._metrics.add("askfirst_requests_total", route=_route(scope), status=status)
            await send(message)

        await self._app(scope, receive, counting if scope["type"] == "http" else send)


def _route(scope: Scope) -> str:
    endpoint = scope.get("endpoint")
    for route in scope["app"].routes:
        if isinstance(route, Route) and route.endpoint is endpoint:
            return route.path
    return "other"


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    collector: Collector = app.state.collector
    collector.start()
    try:
        yield
    finally:
        collector.stop()


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"askfirst: {text}\n")
    sys.stderr.flush()


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status_code=status, headers=headers)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    texts = {404: "there is nothing here", 405: "this route takes another method"}
    text = texts.get(error.status_code, error.detail)
    return _error(error.status_code, f"{text}; see /openapi.json", dict(error.headers or {}))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _error(error.status, error.error, dict(error.headers))


async def _store_error(_request: Request, error: Exception) -> Response:
    return _error(503, str(error), {"retry-after": "30"})


async def _log_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, LogError)
    return _error(503, str(error), {"retry-after": str(error.retry_after)})


async def _gone(_request: Request, _exception: Exception) -> Response:
    return _error(400, "the request broke off")  # nobody reads it


async def _failed(_request: Request, _exception: Exception) -> Response:
    return _error(500, "the collector failed; its operator's terminal says why; try again later")
