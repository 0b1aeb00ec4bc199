"""The answers over HTTP, for programs. All of it needs the token."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from askfirst import questions
from askfirst.collector.collector import Collector
from askfirst.collector.request import Refusal
from askfirst.questions.calendar import FIRST, LAST
from askfirst.stores.base import Store

OVERVIEW = "overview"


class Answers:
    """Handlers that read the store, each only after it holds what was accepted before."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector

    async def report(self, request: Request) -> Response:
        """`GET /v1/answers/{report}?tool=&as_of=`."""
        name = request.path_params["report"]
        if name != OVERVIEW and name not in questions.NAMES:
            known = ", ".join((OVERVIEW, *questions.NAMES))
            raise Refusal(404, f"there is no such report; ask for one of {known}")
        as_of = _day(request.query_params.get("as_of"))
        await self._collector.caught_up()
        store = self._collector.store
        tool = await run_in_threadpool(_tool, store, request.query_params.get("tool"))
        answer = await run_in_threadpool(_ask, store, name, tool, as_of)
        return Response(
            msgspec.json.encode(answer),
            media_type="application/json",
            headers={"cache-control": "no-store"},
        )


def _ask(store: Store, name: str, tool: str, as_of: date | None) -> dict[str, Any]:
    if name == OVERVIEW:
        return questions.overview(store, tool, as_of)
    return questions.ask(store, name, tool, as_of)


def _tool(store: Store, wanted: str | None) -> str:
    tools = list(store.tools())
    if wanted is None and len(tools) == 1:
        return tools[0]
    if wanted is None:
        raise Refusal(422, f"say which tool: add ?tool= and one of {', '.join(tools)}")
    if wanted not in tools:
        raise Refusal(404, f"the store knows no such tool; it has {', '.join(tools)}")
    return wanted


def _day(text: str | None) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refusal(422, "as_of is a day, as in 2026-11-23") from None
    if not FIRST <= day <= LAST:
        raise Refusal(422, f"as_of is a day from {FIRST} to {LAST}")
    return day
