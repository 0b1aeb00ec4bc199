"""Templates -> responses that no other site can use, frame, or add to."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from askfirst.dashboard import figures
from askfirst.questions.sentences import number, percent

STATIC = Path(__file__).parent / "static"
THEMES = ("light", "dark")
THEME_COOKIE = "askfirst-theme"  # what somebody chose with the button; it says nothing else

# Nothing inline and nothing from elsewhere; charts set styles through the CSSOM, which is allowed.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Return a page. The theme is what this browser chose, else what its system prefers."""
    theme = request.cookies.get(THEME_COOKIE, "")
    text = (
        _environment()
        .get_template(template)
        .render(theme=theme if theme in THEMES else "", **values)
    )
    return HTMLResponse(text, status_code=status, headers=HEADERS)


def login_page(
    request: Request, *, status: int = 200, wrong: bool = False, wait: int = 0
) -> Response:
    """Return the form that takes the token; `wrong` after a wrong one, `wait` in seconds."""
    response = render(request, "login.html", status=status, wrong=wrong, wait=wait)
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def wants_html(request: Request) -> bool:
    """Tell whether a person's browser asks, rather than a program."""
    return "text/html" in request.headers.get("accept", "")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("askfirst.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    environment.filters["tied"] = tied
    environment.globals["static"] = _static_url
    return environment


def cell(value: Any, kind: str) -> str:
    """Return a value of a table for people; an en dash where there is none."""
    if value is None:
        return "\N{EN DASH}"
    if kind == figures.SHARE:
        return tied(percent(value, 1))
    if kind == figures.DAYS:
        return number(float(value))
    return number(value) if isinstance(value, int) and kind == figures.COUNT else str(value)


def tied(text: str) -> str:
    """Return a text in which no line ends between a figure and its per cent sign."""
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


@lru_cache(maxsize=32)
def _static_url(name: str) -> str:
    """Return the URL of a static file; its content is part of it, so that it may be kept."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"
