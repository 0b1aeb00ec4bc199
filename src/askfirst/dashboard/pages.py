"""The pages, and the routes that lead to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from askfirst import questions
from askfirst.contract.loading import is_loopback
from askfirst.contract.model import Contract
from askfirst.dashboard.figures import Figure, View
from askfirst.dashboard.public import PublicFigures
from askfirst.dashboard.rendering import HEADERS, STATIC, render
from askfirst.dashboard.selection import ALL, NEWEST, RANGES, Selection, WrongSelectionError
from askfirst.dashboard.views import (
    active,
    applications,
    commands,
    environments,
    overview,
    quality,
    retention,
    updates,
)
from askfirst.dashboard.views import public as in_public
from askfirst.questions import active as activity
from askfirst.questions import sampling
from askfirst.questions.calendar import day_number
from askfirst.questions.captions import sampled
from askfirst.questions.contracts import contract_of
from askfirst.stores.base import Store, StoreError

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its name and title, the question it answers, and what finds the answer."""

    name: str
    title: str
    question: str
    view: Callable[[Store, Selection], View]

    @property
    def path(self) -> str:
        """Its path; the overview is the start page."""
        return "/" if self.name == "overview" else f"/{self.name}"


PAGES = (
    Page("overview", "Overview", "How is it used?", overview.view),
    Page("active", "Active", "How many use it, and how many regularly?", active.view),
    Page("updates", "Updates", "How long until a new version is in use?", updates.view),
    Page("applications", "Applications", "How many applications, side by side?", applications.view),
    Page("environments", "Environments", "In how many environments?", environments.view),
    Page("commands", "Commands", "Who would feel a breaking change?", commands.view),
    Page("retention", "Retention", "Of those who came, who stayed?", retention.view),
    Page("quality", "Quality", "How far can these answers be trusted?", quality.view),
)
BY_NAME = {page.name: page for page in PAGES}


class BehindError(Exception):
    """The store does not have everything yet; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages need of a collector.

    `caught_up` waits until the store has what was accepted before; it raises BehindError. `guard`
    refuses whoever may not look. `open` if no token is needed. `public` if anybody may see
    aggregates.
    """

    store: Store
    caught_up: Callable[[], Awaitable[None]]
    guard: Callable[[Handler], Handler]
    open: bool = False
    public: PublicFigures | None = None
    today: Callable[[], date] = lambda: questions.default_day() + timedelta(days=1)


def dashboard_routes(site: Site) -> list[BaseRoute]:
    """Return the routes of the pages, their static files, and the public page if there is one.

    They are for people: none but the start page is in the description of the interface.
    """
    pages = _Pages(site)
    routes: list[BaseRoute] = [
        Route(page.path, site.guard(pages.show(page)), include_in_schema=page.path == "/")
        for page in PAGES
    ]
    routes.append(
        Route("/figures/{page}/{figure}.{form}", site.guard(pages.export), include_in_schema=False)
    )
    if site.public is not None:
        routes += [
            Route(path, pages.public, include_in_schema=False)
            for path in ("/public", "/public.json")
        ]
    static = GZipMiddleware(_Static(directory=STATIC))
    return [*routes, Mount("/static", static, name="static")]


class _Static(StaticFiles):
    """Files that a browser may keep for good: what changes has another `v` in its URL."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = b"v=" in scope["query_string"]
        response.headers["cache-control"] = (
            "public, max-age=31536000, immutable" if kept else "no-cache"
        )
        response.headers["x-content-type-options"] = "nosniff"
        return response


class _Pages:
    """Handlers. All but `public` are behind the guard."""

    def __init__(self, site: Site) -> None:
        self._site = site
        # strangers wait here for a new period to be computed, and hold one thread between them
        self._in_turn = asyncio.Lock()

    def show(self, page: Page) -> Handler:
        """Return the handler of a page."""

        async def handler(request: Request) -> Response:
            try:
                selection, tools = await self._selection(request)
                view = await run_in_threadpool(self._view, page, selection)
                empty = await run_in_threadpool(self._emptiness, selection)
            except WrongSelectionError as error:
                return self._error(request, 422, str(error))
            except (BehindError, StoreError) as error:
                return self._error(request, 503, str(error))
            return render(
                request,
                "empty.html" if empty else "page.html",
                page=page,
                pages=PAGES,
                selection=selection,
                tools=tools,
                ranges=RANGES,
                newest=NEWEST,
                all_versions=ALL,
                view=view,
                empty=empty,
                origin=f"{request.url.scheme}://{request.url.netloc}",
                here=is_loopback(request.url.hostname or ""),  # a client takes no other origin
                open=self._site.open,
            )

        return handler

    async def export(self, request: Request) -> Response:
        """`GET /figures/{page}/{figure}.{csv|json}?…`: the table behind a figure as shown."""
        page = BY_NAME.get(request.path_params["page"])
        form = request.path_params["form"]
        if page is None or form not in ("csv", "json"):
            return self._error(request, 404, "There is no such figure.")
        try:
            selection, _ = await self._selection(request)
            view = await run_in_threadpool(self._view, page, selection)
        except WrongSelectionError as error:
            return self._error(request, 422, str(error))
        except (BehindError, StoreError) as error:
            return self._error(request, 503, str(error))
        figure = view.figure(request.path_params["figure"])
        if figure is None:
            return self._error(request, 404, "There is no such figure.")
        name = f"{selection.tool}-{page.name}-{figure.name}-{selection.as_of}.{form}"
        return _download(figure, form, name, selection)

    async def public(self, request: Request) -> Response:
        """`GET /public` and `/public.json`: what anybody may see."""
        assert self._site.public is not None
        public = self._site.public
        try:
            async with self._in_turn:
                snapshots = await run_in_threadpool(public.read)
        except (StoreError, OSError):  # whose text may name a path; this page is for strangers
            return self._error(request, 503, "There is nothing to show now; try again later.")
        if request.url.path.endswith(".json"):
            return JSONResponse(snapshots, headers=HEADERS)
        views = {tool: in_public.view(tool, rows) for tool, rows in snapshots.items()}
        every = [snapshot for rows in snapshots.values() for snapshot in rows]
        threshold = in_public.smallest_threshold(every, public.threshold)
        return render(request, "public.html", tools=views, threshold=threshold)

    async def _selection(self, request: Request) -> tuple[Selection, Sequence[str]]:
        await self._site.caught_up()
        tools = await run_in_threadpool(self._site.store.tools)
        yesterday = self._site.today() - timedelta(days=1)
        return Selection.read(request.query_params, tools, yesterday), tools

    def _view(self, page: Page, selection: Selection) -> View:
        """Return what a page says; captions say what it comes from, and what is missing."""
        store = self._site.store
        view = page.view(store, selection)
        if page.name == "quality":
            return view
        said = f"{sampled(sampling.rate(store, selection.tool))} {view.missing}".strip()
        figures = (replace(one, caption=f"{one.caption} {said}".strip()) for one in view.figures)
        return replace(view, figures=tuple(figures))

    def _emptiness(self, selection: Selection) -> Emptiness | None:
        """Say why there is nothing to show; None if there is something."""
        store, tool = self._site.store, selection.tool
        if store.query("versions", {"tool": tool, "as_of": day_number(selection.as_of)}):
            return None
        today = self._site.today()
        later = activity.headline(store, tool, day_number(today))["daily"]
        return Emptiness(contract_of(store, tool), today if later else None)

    def _error(self, request: Request, status: int, text: str) -> Response:
        response = render(request, "error.html", status=status, text=text)
        if status == 503:
            response.headers["retry-after"] = "30"
        return response


@dataclass(frozen=True, slots=True)
class Emptiness:
    """Why a page is empty: a tool, by its contract, without events; `today` if some came today."""

    contract: Contract | None
    today: date | None


def _download(figure: Figure, form: str, name: str, selection: Selection) -> Response:
    headers = {**HEADERS, "content-disposition": f'attachment; filename="{name}"'}
    if form == "csv":
        return Response(figure.table.as_csv(), media_type="text/csv", headers=headers)
    value = {
        "tool": selection.tool,
        "as_of": selection.as_of.isoformat(),
        "from": selection.first.isoformat(),
        "title": figure.title,
        "caption": figure.caption,
        "rows": figure.table.as_objects(),
    }
    return Response(json.dumps(value, indent=1), media_type="application/json", headers=headers)
