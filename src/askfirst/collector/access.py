"""Who may read the answers: whoever has the token. Ingest needs none."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from askfirst.collector import private

COOKIE = "askfirst"
TOKEN_FILE = "token"  # noqa: S105 - the file's name

Handler = Callable[[Request], Awaitable[Response]]


def read_token(folder: Path) -> str:
    """Return the token kept in a folder; make it, mode 0600, at the first call. Raises OSError."""
    private.make_folder(folder)
    path = folder / TOKEN_FILE
    while True:
        try:
            token = path.read_text(encoding="ascii").strip()
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
    """Checks a request against the token, in constant time."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        # a cookie that leaks does not give the token away
        self._session = hmac.new(self._token, b"askfirst session", hashlib.sha256).hexdigest()

    def admits(self, request: Request) -> bool:
        """Tell whether a request carries the token, or the cookie that the login link sets."""
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        cookie = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(cookie.encode(), self._session.encode())

    def is_token(self, text: str) -> bool:
        """Tell whether a text is the token."""
        return hmac.compare_digest(text.encode(), self._token)

    def guard(self, handler: Handler) -> Handler:
        """Return a handler that answers 401 to whoever has no token."""

        async def guarded(request: Request) -> Response:
            if self.admits(request):
                return await handler(request)
            return _unauthorised()

        return guarded

    async def login(self, request: Request) -> Response:
        """`GET /login?token=…`: set the session cookie and go to the start page."""
        if not self.is_token(request.query_params.get("token", "")):
            return _unauthorised()
        response = RedirectResponse("/", status_code=303)
        response.headers["cache-control"] = "no-store"
        response.headers["referrer-policy"] = "no-referrer"
        response.set_cookie(
            COOKIE,
            self._session,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response


def login_link(url: str, token: str) -> str:
    """Return the address that logs a browser in to the collector at `url`."""
    return f"{url}/login?token={quote(token, safe='')}"


def _unauthorised() -> Response:
    return JSONResponse(
        {
            "error": "answers need the collector's token: open the login link that "
            "`askfirst serve` printed, or send Authorization: Bearer with the token"
        },
        status_code=401,
        headers={"www-authenticate": "Bearer"},
    )
