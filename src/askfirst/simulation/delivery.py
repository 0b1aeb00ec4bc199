"""Sends a population to a collector, as senders do: batches over HTTP, tried until they are in."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import mktime_tz, parsedate_tz
from typing import Any
from urllib.parse import urlsplit

from askfirst.contract.loading import url_problem
from askfirst.contract.model import Contract
from askfirst.simulation.lines import Lines
from askfirst.simulation.population import Population, Rows

BATCH = 500  # events
TIMEOUT_S = 60.0
TRIES = 10  # with the waits between them about two minutes, more if the collector asks for it
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
LONGEST_RETRY_AFTER_S = 600.0
LATER = (408, 429)  # and every 5xx: not now


class DeliveryError(Exception):
    """The collector is out of reach or refuses; the text is one line that says why."""


@dataclass(slots=True)
class Delivered:
    """What a collector said to everything it was sent."""

    accepted: int = 0
    dropped: Counter[str] = field(default_factory=Counter)  # by reason


@dataclass(frozen=True, slots=True)
class _NotNow:
    """No answer, or one that asks to come again, after `wait_s` seconds at the earliest."""

    why: str
    wait_s: float


class _Line:
    """One kept-alive connection to a collector's ingest route."""

    def __init__(self, url: str, sleep: Callable[[float], None]) -> None:
        problem = url_problem(url)
        if problem:
            raise DeliveryError(problem)
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._target = parts.path.rstrip("/") + "/v1/events"
        self._url = url
        self._sleep = sleep

    def post(self, body: bytes) -> dict[str, Any]:
        """POST a batch until it is answered for good; return the answer."""
        packed = gzip.compress(body, compresslevel=1, mtime=0)
        answer = self._try(packed)
        for attempt in range(TRIES - 1):
            if not isinstance(answer, _NotNow):
                return answer
            self._sleep(max(answer.wait_s, min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S)))
            answer = self._try(packed)
        if isinstance(answer, _NotNow):
            raise DeliveryError(f"{self._url} takes nothing, tried {TRIES} times: {answer.why}")
        return answer

    def _try(self, packed: bytes) -> dict[str, Any] | _NotNow:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        try:
            self._connection.request("POST", self._target, packed, headers)
            response = self._connection.getresponse()
            said = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return _NotNow(str(error) or type(error).__name__, 0.0)
        if response.status == 200:
            return self._read(said)
        why = f"{response.status} {response.reason}"
        if response.status in LATER or response.status >= 500:
            return _NotNow(why, _seconds(response.headers.get("Retry-After", "")))
        raise DeliveryError(f"{self._url} refuses a batch: {_error(said) or why}")

    def close(self) -> None:
        self._connection.close()

    def _read(self, said: bytes) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(said)
            int(answer["accepted"]), [drop["reason"] for drop in answer["dropped"]]
        except (ValueError, TypeError, KeyError) as error:
            raise DeliveryError(f"{self._url} does not answer as a collector does") from error
        return answer


def deliver(
    url: str,
    population: Population,
    chunks: Iterable[Rows],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Delivered:
    """Send deliveries (the population's arrivals) to the collector at `url`.

    A batch is tried again on 408, 429, 5xx and a broken connection, with growing waits (seconds)
    that are never shorter than Retry-After. Raises DeliveryError if that does not help, and for
    any other refusal.
    """
    lines = Lines(population)
    line = _Line(url, sleep)
    delivered = Delivered()
    waiting: list[str] = []
    try:
        for rows in chunks:
            waiting += lines.of(rows)
            while len(waiting) >= BATCH:
                _send(line, population.contract, waiting[:BATCH], delivered)
                del waiting[:BATCH]
        if waiting:
            _send(line, population.contract, waiting, delivered)
    finally:
        line.close()
    return delivered


def _send(line: _Line, contract: Contract, events: list[str], delivered: Delivered) -> None:
    head = f'{{"tool":"{contract.name}","contract":"{contract.digest}","events":['
    answer = line.post((head + ",".join(events) + "]}").encode("ascii"))
    delivered.accepted += answer["accepted"]
    delivered.dropped.update(drop["reason"] for drop in answer["dropped"])


def _error(said: bytes) -> str:
    """Return the reason in an error's body, in one line, or ''."""
    try:
        return " ".join(str(json.loads(said)["error"]).split())
    except (ValueError, TypeError, KeyError):
        return ""


def _seconds(retry_after: str) -> float:
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3); 0 if it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        wait = float(retry_after[:9])
    else:
        moment = parsedate_tz(retry_after)
        wait = mktime_tz(moment) - time.time() if moment else 0.0
    return min(max(wait, 0.0), LONGEST_RETRY_AFTER_S)
