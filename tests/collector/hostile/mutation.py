"""Requests that are almost right: mutated in their JSON, their coding, their headers, their bytes."""

from __future__ import annotations

import copy
import gzip
import json
import random
import uuid
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MARK = "zqmarkq"  # in whatever the contract does not declare; no file may ever hold it
ADDRESS = "203.0.113.171"  # in whatever header may name a client

PATHS = ("/v1/events", "/v1/command", "/v1/erasures", "/v1/contracts/stratus", "/v1/answers/active",
         "/", "/login?token=x", "/health", "/metrics", "/openapi.json", "/nothing", "*", "//", "/%00",
         "/v1/events/", "/v1/events?a=b", "/" + MARK, "/v1/contracts/" + MARK, "/%ff", "http://x/v1/events")  # fmt: skip
METHODS = (
    "POST",
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "post",
    "P\x00ST",
    MARK,
)
HEADERS = ("Content-Type", "Content-Encoding", "Content-Length", "Transfer-Encoding", "Host", "Expect",
           "Connection", "Upgrade", "Forwarded", "X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "Via",
           "From", "User-Agent", "Cookie", "Authorization", "Accept-Encoding", "Range", "If-None-Match",
           "Origin", "Trailer", "TE", MARK)  # fmt: skip
TEXTS = ("", " ", MARK, "application/json", "application/json; charset=utf-16", "gzip", "br", "identity",
         "gzip, gzip", "chunked", "0", "1", "-1", "9" * 25, "100-continue", "close", "keep-alive", "upgrade",
         "h2c", ADDRESS, f"for={ADDRESS}", f'for="[2001:db8::1]:80", for={ADDRESS}', 'for=;;=,"\\', "é",
         "\x00", "a\tb", "bytes=0-1", "Bearer " + MARK, "askfirst=" + MARK, "x" * 5000)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 0.5, -0.0, 1e308, 1e-320, "", " ", MARK,
    MARK * 100, "stratus", "start", "db migrate", "3.1.2", "1.0.0-" + MARK, "1.0." + "9" * 50, "linux", "other",
    "0" * 64, "9D" * 32, "9d" * 31, "\x00", "\ud800", "\U0001f600", "<script>", "'; --", [], {}, [[]], [{}],
    {MARK: MARK}, {"": ""}, [MARK] * 20, {"version": "1.0.0", "command": "start"}, "é" * 40, "NaN",
)  # fmt: skip
KEYS = (MARK, "", "id", "installationId", "timestamp", "cli", "runtime", "application", "application.name",
        "name", "env", "system", "interactive", "machine", "cores", "version", "command", "tool", "events",
        "contract", "__proto__", "\x00", "data", "é", "x" * 3000)  # fmt: skip


@dataclass
class Made:
    """A request: its bytes, and whether the connection can be used after it."""

    data: bytes
    whole: bool  # false: only the end of the connection tells the server that there is no more
    head: bool = False


@dataclass
class Draft:
    """A request in parts, as it is mutated."""

    method: str = "POST"
    path: str = "/v1/events"
    headers: list[tuple[str, str]] = field(
        default_factory=lambda: [("Content-Type", "application/json")]
    )
    value: Any = None
    text: bytes | None = None  # the body, once it is no JSON value any more
    broken: bool = False  # what follows it on the connection may be taken for its body


def event(chance: random.Random, now: int) -> dict[str, Any]:
    """Return an event that is good at `now` (ms UTC)."""
    return {
        "id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "installationId": f"{chance.randrange(200):064x}",
        "timestamp": now - chance.randrange(10**9),
        "cli": {
            "version": chance.choice(["3.1.2", "3.2.0"]),
            "command": chance.choice(["start", "stop"]),
        },
        "application": {"name": f"{chance.randrange(50):064x}", "env": "95" * 32},
        "runtime": "2.0.0",
        "system": "linux",
        "interactive": True,
    }


def draft(chance: random.Random, now: int) -> Draft:
    """Return a good request: mostly batches, and of everything else something."""
    kind = chance.random()
    if kind < 0.70:
        events = [event(chance, now) for _ in range(chance.choice([0, 1, 1, 1, 2, 5]))]
        return Draft(value={"tool": "stratus", "events": events})
    if kind < 0.88:
        one = event(chance, now)
        command = {"context": {"name": "collecting"}, "aggregate": {"name": "application"},
                   "name": "recordEvent", "id": one.pop("id"), "data": {"data": one}}  # fmt: skip
        return Draft(path="/v1/command", value=command)
    if kind < 0.885:  # each rewrites a part of the store: more would be a test of that alone
        value = {"tool": "stratus", "installationId": f"{chance.randrange(200):064x}"}
        return Draft(path="/v1/erasures", value=value)
    return Draft(method="GET", path=chance.choice(PATHS), headers=[], text=b"")


def make(chance: random.Random, now: int) -> Made:
    """Return a request, mutated up to a few times, or not at all.

    The same state of `chance` and the same `now` (ms UTC) make the same request.
    """
    made = draft(chance, now)
    for _ in range(chance.choice([0, 1, 1, 1, 2, 2, 3, 6])):
        chance.choice(MUTATIONS)(made, chance)
    data = assemble(made, chance)
    if chance.random() < 0.08:
        return Made(damage(data, chance), whole=False)
    return Made(data, whole=not made.broken, head=made.method == "HEAD")


def remake(data: bytes, chance: random.Random) -> Made:
    """Return an earlier request with a few of its bytes changed."""
    return Made(damage(data, chance), whole=False)


def assemble(made: Draft, chance: random.Random) -> bytes:
    """Return the bytes of a request."""
    body = _encode(made.value, chance) if made.text is None else made.text
    rows = list(made.headers)
    names = [name.lower() for name, _ in rows]
    if "host" not in names:
        rows.append(("Host", "localhost"))
    if (
        "transfer-encoding" not in names
        and "content-length" not in names
        and (body or made.method == "POST")
    ):
        if chance.random() < 0.1:
            rows.append(("Transfer-Encoding", "chunked"))
            body = _chunked(body, chance)
        else:
            rows.append(("Content-Length", str(len(body))))
    top = f"{made.method} {made.path} HTTP/1.1\r\n" + "".join(f"{a}: {b}\r\n" for a, b in rows)
    return top.encode("utf-8", "replace") + b"\r\n" + body


def _encode(value: Any, chance: random.Random) -> bytes:
    text = json.dumps(value, ensure_ascii=chance.random() < 0.7)
    return text.encode("utf-8", "surrogatepass")


def _chunked(body: bytes, chance: random.Random) -> bytes:
    parts = []
    while body:
        size = chance.randint(1, max(1, len(body)))
        parts.append(b"%x\r\n%b\r\n" % (size, body[:size]))
        body = body[size:]
    return b"".join(parts) + b"0\r\n\r\n"


def damage(data: bytes, chance: random.Random) -> bytes:
    """Change, insert, repeat or cut some bytes."""
    changed = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 8])):
        place = chance.randrange(len(changed) + 1)
        kind = chance.randrange(5)
        if kind == 0 and changed:
            changed[place % len(changed)] = chance.randrange(256)
        elif kind == 1:
            changed[place:place] = chance.choice(
                [b"\x00", b"\r\n", b"\n", b":", b" ", b"\xff", b'"', MARK.encode()]
            )
        elif kind == 2:
            changed[place:place] = changed[place : place + chance.randrange(40)]
        elif kind == 3:
            del changed[place : place + chance.randrange(20)]
        else:
            del changed[place:]
    return bytes(changed)


# Mutations. Each changes a draft in place.


def _containers(value: Any) -> list[Any]:
    found = []
    if isinstance(value, (dict, list)):
        found.append(value)
        for inner in value.values() if isinstance(value, dict) else value:
            found += _containers(inner)
    return found


def _change(made: Draft, chance: random.Random) -> None:
    """Put another value in the place of one."""
    for place in _picked(made, chance):
        if place:
            key = (
                chance.choice(list(place))
                if isinstance(place, dict)
                else chance.randrange(len(place))
            )
            place[key] = copy.deepcopy(chance.choice(VALUES))


def _remove(made: Draft, chance: random.Random) -> None:
    for place in _picked(made, chance):
        if place:
            del place[chance.choice(list(place)) if isinstance(place, dict) else -1]


def _add(made: Draft, chance: random.Random) -> None:
    """Add a key or an item; most are such that the contract does not declare them."""
    for place in _picked(made, chance):
        value = copy.deepcopy(chance.choice(VALUES))
        if isinstance(place, dict):
            place[chance.choice(KEYS)] = value
        else:
            place.append(value)


def _nest(made: Draft, chance: random.Random) -> None:
    value: Any = MARK
    for _ in range(chance.choice([3, 30, 300])):
        value = [value] if chance.random() < 0.5 else {MARK: value}
    for place in _picked(made, chance):
        if isinstance(place, dict):
            place[chance.choice(KEYS)] = value


def _repeat(made: Draft, chance: random.Random) -> None:
    events = made.value.get("events") if isinstance(made.value, dict) else None
    if made.text is None and isinstance(events, list):
        times = 400 if chance.random() < 0.04 else chance.choice([2, 2, 2, 20])  # it takes 40 ms
        made.value["events"] = (events * times)[:1_100]


def _picked(made: Draft, chance: random.Random) -> list[Any]:
    containers = _containers(made.value) if made.text is None else []
    return [chance.choice(containers)] if containers else []


def _contract(made: Draft, chance: random.Random) -> None:
    """Say that another contract formed the events: what does not fit is then removed."""
    if made.text is None and isinstance(made.value, dict):
        made.value["contract"] = chance.choice(["sha256:" + "0" * 64, MARK, None, 7, ""])


def _no_json(made: Draft, chance: random.Random) -> None:
    text = _body(made, chance)
    made.text = chance.choice(NO_JSON)(text, chance)


def _gzip(made: Draft, chance: random.Random) -> None:
    text = _body(made, chance)
    made.headers.append(("Content-Encoding", "gzip"))
    made.text = chance.choice(GZIPS)(text, gzip.compress(text, 1, mtime=0), chance)


NO_JSON: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    damage,
    lambda text, chance: text[: chance.randrange(len(text) + 1)],
    lambda text, _: text + text,
    lambda text, _: b"\xef\xbb\xbf" + text,
    lambda text, _: text.decode("utf-8", "replace").encode("utf-16"),
    lambda text, _: text.replace(b'"id"', b'"%b":1,"id"' % MARK.encode(), 1),
    lambda text, _: text.replace(b": ", b": NaN, ", 1),
    lambda _text, _chance: b"[" * 3000,
    lambda _text, _chance: MARK.encode() * 1000,
)
BOMB = gzip.compress(b" " * 9_000_000, mtime=0)
GZIPS: tuple[Callable[[bytes, bytes, random.Random], bytes], ...] = (
    lambda _, whole, _chance: whole,
    lambda _, whole, _chance: whole,
    lambda _, whole, _chance: whole,
    lambda _, whole, chance: whole[: chance.randrange(len(whole))],
    lambda _, whole, chance: damage(whole, chance),
    lambda _, whole, _chance: whole + whole,
    lambda _, whole, _chance: whole + MARK.encode(),
    lambda text, _whole, _chance: zlib.compress(text),
    lambda _, whole, _chance: gzip.compress(whole, 1, mtime=0),
    lambda _, whole, chance: BOMB if chance.random() < 0.3 else whole,  # it takes 10 ms
    lambda text, _whole, _chance: gzip.compress(text + b" " * 10_000, 1, mtime=0),
)


def _body(made: Draft, chance: random.Random) -> bytes:
    return _encode(made.value, chance) if made.text is None else made.text


def _method(made: Draft, chance: random.Random) -> None:
    made.method = chance.choice(METHODS)


def _path(made: Draft, chance: random.Random) -> None:
    made.path = chance.choice(PATHS)


def _header(made: Draft, chance: random.Random) -> None:
    name, text = chance.choice(HEADERS), chance.choice(TEXTS)
    made.broken = made.broken or name in (
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Upgrade",
        "Expect",
    )
    made.headers.append((name, text))


def _headers(made: Draft, chance: random.Random) -> None:
    for _ in range(chance.choice([3, 50, 98, 120])):
        made.headers.append((f"X-{chance.randrange(1000)}", chance.choice(TEXTS)))


def _no_headers(made: Draft, _chance: random.Random) -> None:
    made.headers.clear()


MUTATIONS: tuple[Callable[[Draft, random.Random], None], ...] = (
    _change, _change, _change, _remove, _remove, _add, _add, _add, _nest, _repeat, _contract, _contract,
    _no_json, _gzip, _gzip, _method, _path, _header, _header, _headers, _no_headers,
)  # fmt: skip
