"""Small requests that mean to become large."""

from __future__ import annotations

import gzip
import json
import threading
import zlib

import pytest

from askfirst.collector.request import COMPRESSED_BYTES, EXPANDED_BYTES
from tests.collector.hostile.wire import EVENTS, JSON, Reply, Wire, batch, memory, request, settled
from tests.collector.serving import Server, make_event

GZIP = {**JSON, "Content-Encoding": "gzip"}
MIB = 2**20


def blanks(mebibytes: int) -> bytes:
    """Return the gzip of so many blanks, without its end: nobody is to get that far."""
    stream = zlib.compressobj(9, wbits=31)
    begin = stream.compress(b"") + stream.flush(zlib.Z_FULL_FLUSH)
    block = stream.compress(b" " * MIB) + stream.flush(zlib.Z_FULL_FLUSH)
    return begin + block * mebibytes


def post(server: Server, body: bytes, headers: dict[str, str] = GZIP, path: str = EVENTS) -> Reply:
    with Wire(server.url) as wire:
        wire.send(request("POST", path, body, headers))
        return wire.reply()


WHOLE = gzip.compress(batch())
DAMAGED = {
    "half": WHOLE[: len(WHOLE) // 2],
    "without its checksum": WHOLE[:-8],
    "without its last byte": WHOLE[:-1],
    "a wrong checksum": WHOLE[:-8] + bytes(8),
    "a wrong length": WHOLE[:-4] + b"\xff\xff\xff\xff",
    "two members": WHOLE + gzip.compress(b" "),
    "an empty member more": WHOLE + gzip.compress(b""),
    "garbage behind it": WHOLE + b"garbage",
    "zeros behind it": WHOLE + bytes(100),
    "garbage before it": b"\n" + WHOLE,
    "zlib": zlib.compress(batch()),
    "bare deflate": zlib.compressobj(wbits=-15).flush(),
    "its header alone": WHOLE[:10],
    "an endless name": b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * 100_000,
    "twice": gzip.compress(WHOLE),
    "nothing": b"",
    "plain": batch(),
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_what_is_not_one_whole_gzip_of_json_is_refused(server: Server, body: bytes) -> None:
    reply = post(server, body)
    assert (reply.status, list(reply.json())) == (400, ["error"])


@pytest.mark.parametrize("mebibytes", [9, 100, 900])
def test_a_bomb_is_refused(server: Server, mebibytes: int) -> None:
    bomb = blanks(mebibytes)
    assert len(bomb) <= COMPRESSED_BYTES
    assert post(server, bomb).status == 413


def test_a_byte_too_much_is_too_much(server: Server) -> None:
    assert post(server, gzip.compress(b" " * (EXPANDED_BYTES + 1))).status == 413


def test_the_largest_that_may_come_does_come(server: Server) -> None:
    text = batch()
    full = gzip.compress(text + b" " * (EXPANDED_BYTES - len(text)))
    assert post(server, full).json()["accepted"] == 1
    assert post(server, text + b" " * (EXPANDED_BYTES - len(text)), JSON).json()["accepted"] == 1


@pytest.mark.parametrize("path", [EVENTS, "/v1/command", "/v1/erasures"])
def test_bombs_take_little_memory(server: Server, path: str) -> None:
    """Ten at a time, over and over, and the server has never held more than a few of them."""
    bomb = blanks(900)
    assert post(server, bomb, path=path).status == 413
    settled(server)
    before = memory(server)
    statuses: list[int] = []

    def throw() -> None:
        statuses.extend(post(server, bomb, path=path).status for _ in range(10))

    threads = [threading.Thread(target=throw) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [413] * 100
    assert memory(server) - before < 10 * COMPRESSED_BYTES + 4 * EXPANDED_BYTES


def lists(depth: int) -> bytes:
    return b'{"tool":"stratus","events":[' + b"[" * depth + b"]" * depth + b"]}"


HEAVY = {
    "lists in lists": lists(1_000_000),
    "lists in lists, not too many": lists(500),
    "lists without an end": b'{"tool":"stratus","events":[' + b"[" * 4_000_000,
    "objects in objects": b'{"a":' * 500_000 + b"1" + b"}" * 500_000,
    "a number of a million digits": batch().replace(b'"timestamp": ', b'"timestamp": ' + b"1" * MIB),
    "an exponent": batch().replace(b'"timestamp": ', b'"timestamp": 1e999999999, "x": '),
    "a string of 7 MB": json.dumps({"tool": "stratus", "events": [make_event(x="x" * 7 * MIB)]}).encode(),
    "a key of 7 MB": json.dumps({"tool": "stratus", "events": [make_event(**{"x" * 7 * MIB: 1})]}).encode(),
    "a tool of 7 MB": json.dumps({"tool": "x" * 7 * MIB, "events": []}).encode(),
    "a million keys": json.dumps(
        {"tool": "stratus", "events": [make_event(**{str(n): 0 for n in range(500_000)})]}
    ).encode(),
    "a million equal keys": batch().replace(b'"runtime"', b'"a":0,' * 10**6 + b'"runtime"'),
    "a million events": b'{"tool":"stratus","events":[' + b"{}," * 10**6 + b"{}]}",
    "escapes": b'{"tool":"' + b"\\u0000" * 10**6 + b'","events":[]}',
    "lone surrogates": b'{"tool":"' + b"\\ud800" * 10**6 + b'","events":[]}',
}  # fmt: skip


@pytest.mark.parametrize("body", HEAVY.values(), ids=HEAVY)
def test_heavy_json_is_answered_and_let_go(server: Server, body: bytes) -> None:
    before = memory(server)
    reply = post(server, body, JSON)
    assert reply.status in (200, 400, 404, 413, 422)
    assert len(reply.body) < 1000  # nothing of it comes back
    assert memory(server) - before < 40 * EXPANDED_BYTES
