"""Who may read the answers: whoever has the token. Ingest needs none."""

from __future__ import annotations

import asyncio
import errno
import hmac
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from askfirst.collector import private
from askfirst.collector.attempts import Attempts, ClientKey
from askfirst.collector.sessions import COOKIE, SECONDS, Sessions
from askfirst.contract.loading import is_loopback
from askfirst.dashboard.rendering import login_page, wants_html

TOKEN_FILE = "token"  # noqa: S105 - the file's name
FORM_BYTES = 4096  # of a login: a token has 43 characters
FORM_SECONDS = 10.0

Handler = Callable[[Request], Awaitable[Response]]


def read_token(folder: Path) -> str:
    """Return the token kept in a folder; make it, mode 0600, at the first call. Raises OSError."""
    private.make_folder(folder)
    path = folder / TOKEN_FILE
    while True:
        try:
            token = path.read_text(encoding="ascii").strip()
        except UnicodeDecodeError:
            raise OSError(errno.EINVAL, "it holds no token", str(path)) from None
        except FileNotFoundError:
            _make_token(path)
            continue
        if token:
            path.chmod(0o600)
            return token
        path.unlink()  # empty: whoever made it was stopped half-way


def _make_token(path: Path) -> None:
    part = private.write_part(path, secrets.token_urlsafe(32) + "\n")
    try:
        os.link(part, path)
    except FileExistsError:  # another collector was first; its token it is
        return
    finally:
        part.unlink()


class Access:
    """Checks a request against the token, in constant time; with a token of None, none is needed.

    Without a token the request must name a loopback host: a page elsewhere that makes its own name
    point here (DNS rebinding) would read the answers otherwise. `now` returns seconds since 1970,
    `client` tells clients apart for the limit on wrong tokens.
    """

    def __init__(
        self,
        token: str | None,
        now: Callable[[], float] = time.time,
        client: ClientKey | None = None,
    ) -> None:
        self._token = None if token is None else token.encode()
        self._sessions = Sessions(now)
        self._attempts = Attempts(now, client)

    def is_open(self) -> bool:
        """Tell whether everybody on this machine is let in."""
        return self._token is None

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that may not see the answers, or None if it may."""
        if self._token is None:
            return None if is_loopback(_host(request)) else _misdirected()
        if self._sessions.is_open(request.cookies.get(_cookie(request), "")):
            return None
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            return login_page(request, status=401) if wants_html(request) else _unauthorised()
        wait = self._attempts.wait(request)
        if wait:
            return _too_many(wait)
        if self._is_token(given.strip()):
            return None
        self._attempts.failed(request)
        return _unauthorised()

    def guard(self, handler: Handler) -> Handler:
        """Return a handler that refuses whoever has no token."""

        async def guarded(request: Request) -> Response:
            return self.refusal(request) or await handler(request)

        return guarded

    async def enter(self, request: Request) -> Response:
        """`/login`: the form, or what was typed into it."""
        return await (self.login(request) if request.method == "POST" else self.ask(request))

    async def ask(self, request: Request) -> Response:
        """`GET /login`: the form. It changes nothing; the link's token is in the fragment, which
        a browser does not send, and the page posts it.
        """
        if self._token is None:
            return _home()
        return login_page(request)

    async def login(self, request: Request) -> Response:
        """`POST /login`: take the token, set the session cookie, go to the start page."""
        if self._token is None:
            return _home()
        if _is_from_elsewhere(request):
            return _forbidden()
        wait = self._attempts.wait(request)
        if wait:
            return _too_many(wait, request)
        if not self._is_token(await _given_token(request)):
            self._attempts.failed(request)
            if wants_html(request):
                return login_page(request, status=401, wrong=True)
            return _unauthorised()
        self._attempts.succeeded(request)
        response = _home()
        response.set_cookie(
            _cookie(request),
            self._sessions.begin(),
            max_age=SECONDS,
            httponly=True,
            samesite="strict",
            secure=_is_tls(request),
        )
        return response

    async def logout(self, request: Request) -> Response:
        """`POST /logout`: end the session and go to the form."""
        if _is_from_elsewhere(request):
            return _forbidden()
        name = _cookie(request)
        self._sessions.end(request.cookies.get(name, ""))
        response = _seen_other("/login")
        response.delete_cookie(name, httponly=True, samesite="strict", secure=_is_tls(request))
        return response

    def _is_token(self, text: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(text.encode(), self._token)


def login_link(url: str, token: str) -> str:
    """Return the address that logs a browser in to the collector at `url`.

    The token is in the fragment: it reaches no server's or proxy's log, and no other site.
    """
    return f"{url}/login#{token}"


async def _given_token(request: Request) -> str:
    """Return the token in a posted form, or "". A body that is no such form has none."""
    try:
        body = await asyncio.wait_for(_form(request), FORM_SECONDS)
    except (asyncio.TimeoutError, ClientDisconnect):
        return ""
    return parse_qs(body.decode("latin-1")).get("token", [""])[0].strip()


async def _form(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES:
            return b""
    return body


def _host(request: Request) -> str:
    return request.url.hostname or ""


def _cookie(request: Request) -> str:
    """Return the name of our cookie: two collectors on one host do not log each other out.

    Its port is the one we listen at, also behind a proxy.
    """
    _, port = request.scope.get("server") or ("", 0)
    return f"{COOKIE}-{port}"


def _is_tls(request: Request) -> bool:
    """Tell whether the browser speaks TLS, to us or to a proxy of ours that says so.

    Whoever makes the header up makes only their own cookie stricter.
    """
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


def _is_from_elsewhere(request: Request) -> bool:
    """Tell whether another site makes this browser post; the cookie's SameSite does not see it."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _home() -> Response:
    return _seen_other("/")


def _seen_other(where: str) -> Response:
    response = RedirectResponse(where, status_code=303)
    response.headers["cache-control"] = "no-store"
    response.headers["referrer-policy"] = "no-referrer"
    return response


def _unauthorised() -> Response:
    return JSONResponse(
        {
            "error": "answers need the collector's token: open the login link that "
            "`askfirst serve` printed, or send Authorization: Bearer with the token"
        },
        status_code=401,
        headers={"www-authenticate": "Bearer"},
    )


def _too_many(wait: int, request: Request | None = None) -> Response:
    """Refuse without looking at the token; `request` if a person may be waiting for a page."""
    if request is not None and wants_html(request):
        response = login_page(request, status=429, wait=wait)
    else:
        response = JSONResponse(
            {"error": "too many wrong tokens; try again later"}, status_code=429
        )
    response.headers["retry-after"] = str(wait)
    return response


def _forbidden() -> Response:
    return JSONResponse({"error": "another site may not do this for you"}, status_code=403)


def _misdirected() -> Response:
    return JSONResponse(
        {"error": "without a token the answers are for this machine: ask for 127.0.0.1"},
        status_code=421,
    )
