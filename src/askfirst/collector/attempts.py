"""Limits how often somebody may be wrong about the token. In memory, and no address is kept."""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Callable

from starlette.requests import HTTPConnection

OWN_FAILURES, OWN_SECONDS = 10, 600.0  # of one client
ALL_FAILURES, ALL_SECONDS = 200, 60.0  # of everybody: a minute's worth of patience, then the next

ClientKey = Callable[[HTTPConnection], "bytes | None"]


def keyed_by_peer() -> ClientKey:
    """Return a function from a request to a hash of its peer, under a key that dies with us."""
    key = secrets.token_bytes(32)

    def client(request: HTTPConnection) -> bytes:
        peer = request.client.host if request.client else ""
        return hmac.digest(key, peer.encode(), "sha256")

    return client


class Attempts:
    """Remembers failures for some minutes: those of each client, and the number of all.

    `now` returns seconds; `client` tells clients apart, and may return None for one without limits.
    What is remembered is bounded by the limit on all failures.
    """

    def __init__(self, now: Callable[[], float], client: ClientKey | None = None) -> None:
        self._now = now
        self._client = client or keyed_by_peer()
        self._failures: deque[tuple[float, bytes]] = deque()

    def wait(self, request: HTTPConnection) -> int:
        """Return for how many seconds this client's guesses are not looked at; 0 if they are."""
        who = self._client(request)
        if who is None:
            return 0
        now = self._now()
        self._forget(now - OWN_SECONDS)
        own = [at for at, client in self._failures if client == who]
        everybody = [at for at, _ in self._failures if at > now - ALL_SECONDS]
        waits = [0.0]
        if len(own) >= OWN_FAILURES:
            waits.append(own[-OWN_FAILURES] + OWN_SECONDS - now)
        if len(everybody) >= ALL_FAILURES:
            waits.append(everybody[-ALL_FAILURES] + ALL_SECONDS - now)
        longest = max(waits)
        return int(longest) + 1 if longest > 0 else 0

    def failed(self, request: HTTPConnection) -> None:
        """Remember a wrong guess."""
        who = self._client(request)
        if who is not None:
            self._failures.append((self._now(), who))

    def succeeded(self, request: HTTPConnection) -> None:
        """Forget the wrong guesses of a client that knows the token after all."""
        who = self._client(request)
        self._failures = deque(row for row in self._failures if row[1] != who)

    def _forget(self, before: float) -> None:
        while self._failures and self._failures[0][0] <= before:
            self._failures.popleft()
