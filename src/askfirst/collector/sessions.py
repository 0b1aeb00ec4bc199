"""The session of a browser that has logged in: a signed cookie, void after restart or logout."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

COOKIE = "askfirst"  # and the port: a browser keeps one jar for all ports of a host
SECONDS = 14 * 86_400  # a session lasts two weeks, however much it is used
ID_BYTES = 16


class Sessions:
    """Makes and checks the values of session cookies; `now` returns seconds since 1970.

    A value is `<id>.<end>.<signature>`. The key is made anew at each start, so a restart ends all
    sessions, and what was logged out cannot come back with it.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._key = secrets.token_bytes(32)
        self._ended: dict[str, float] = {}

    def begin(self) -> str:
        """Return the value of a new session's cookie."""
        body = f"{secrets.token_urlsafe(ID_BYTES)}.{int(self._now()) + SECONDS}"
        return f"{body}.{self._sign(body)}"

    def is_open(self, value: str) -> bool:
        """Tell whether a cookie's value is of a session that we began and nobody ended."""
        body, _, signature = value.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return False
        name, _, end = body.rpartition(".")
        return self._now() < int(end) and name not in self._ended

    def end(self, value: str) -> None:
        """End a session; whoever has copied its cookie is out too."""
        if not self.is_open(value):
            return
        name, end, _ = value.split(".")
        now = self._now()
        self._ended = {one: until for one, until in self._ended.items() if until > now}
        self._ended[name] = float(end)

    def _sign(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()
