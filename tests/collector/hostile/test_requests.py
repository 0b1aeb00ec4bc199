"""Bytes that are no request, or two readings of one: refused, closed, never a failure or a hang."""

from __future__ import annotations

import gzip

import pytest

from tests.collector.hostile.wire import (
    EVENTS,
    JSON,
    NOTHING,
    Reply,
    Wire,
    batch,
    exchange,
    memory,
    request,
    settled,
)
from tests.collector.serving import Server

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(NOTHING)
SMUGGLED = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
HELLO = bytes.fromhex("16030100c6010000c20303") + bytes(range(190))  # how TLS begins


def with_header(line: bytes) -> bytes:
    return b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + line + b"\r\n\r\n"


def with_length(value: bytes) -> bytes:
    return POST + b"Content-Length: " + value + b"\r\n\r\n" + NOTHING


NO_REQUESTS = {
    "nothing but a line": b"hello\r\n\r\n",
    "bytes": bytes(range(128, 256)) * 4,
    "zeros": bytes(2000),
    "a header without a colon": with_header(b"nonsense"),
    "a header without a name": with_header(b": nonsense"),
    "a NUL in a header's value": with_header(b"X-A: a\x00b"),
    "a NUL in a header's name": with_header(b"X\x00A: a"),
    "a NUL in the target": b"GET /hea\x00lth HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a control byte in a header": with_header(b"X-A: a\x01b"),
    "a carriage return in a header": with_header(b"X-A: a\rb"),
    "a header that goes on in the next line": with_header(b"X-A: a\r\n b"),
    "a first header that begins with a blank": b"GET /health HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n",
    "a blank before the colon": POST + b"Content-Length : 30\r\n\r\n" + NOTHING,
    "two lengths that differ": POST + LENGTH + b"Content-Length: 3\r\n\r\n" + NOTHING + SMUGGLED,
    "two equal lengths": POST + LENGTH + LENGTH + b"\r\n" + NOTHING,
    "a list of lengths": with_length(b"30, 30"),
    "a length and chunks": (
        POST + LENGTH + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED
    ),
    "chunks and a length": (
        POST + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"\r\n0\r\n\r\n" + SMUGGLED
    ),
    "a negative length": with_length(b"-1"),
    "a length with a plus": with_length(b"+5"),
    "a length in hex": with_length(b"0x1e"),
    "a length with a low line": with_length(b"3_0"),
    "a length with a blank": with_length(b"3 0"),
    "no length in the length": with_length(b""),
    "a length beyond 64 bits": with_length(b"9" * 30),
    "chunks twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks that are not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk without a size": CHUNKED + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk of a negative size": CHUNKED + b"-1\r\n{}\r\n0\r\n\r\n",
    "a chunk with a plus": CHUNKED + b"+2\r\n{}\r\n0\r\n\r\n",
    "a chunk with a size in hex": CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": CHUNKED + b"f" * 40 + b"\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\n{}{}{}\r\n0\r\n\r\n",
    "a length behind the chunks": CHUNKED + b"2\r\n{}\r\n0\r\nContent-Length: 1\r\n\r\n" + SMUGGLED,
    "HTTP/0.9": b"GET /health\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "HTTP/3 in words": b"GET /health HTTP/3.0\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS on a plain port": HELLO,
    "a proxy protocol": b"PROXY TCP4 203.0.113.7 127.0.0.1 5000 80\r\n" + HEALTH,
    "a method of no letters": b"\xff\xfe / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a blank in the target": b"GET /hea lth HTTP/1.1\r\nHost: localhost\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("data", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_400_or_closed(server: Server, data: bytes) -> None:
    """And what follows it on the connection is not taken for a request of its own."""
    replies = exchange(server, data)
    assert [reply.status for reply in replies] in ([], [400], [408])


@pytest.mark.parametrize("data", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_it_makes_no_difference_that_it_comes_in_pieces(server: Server, data: bytes) -> None:
    with Wire(server.url) as wire:
        for place in range(0, len(data), 7):
            wire.send(data[place : place + 7])
        replies = wire.rest()
    assert [reply.status for reply in replies] in ([], [400], [408])


def chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    parts = [body[place : place + size] for place in range(0, len(body), size)]
    lines = [b"%x%b\r\n%b\r\n" % (len(part), extension, part) for part in parts]
    return CHUNKED + b"".join(lines) + b"0\r\n"


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("extension", [b"", b";name=value"])
def test_a_body_in_chunks_is_one_body(server: Server, size: int, extension: bytes) -> None:
    with Wire(server.url) as wire:
        wire.send(chunks(batch(), size, extension) + b"\r\n")
        assert wire.reply().json() == {"accepted": 1, "dropped": []}


def test_a_trailer_changes_nothing(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(chunks(batch(), 50) + b"Content-Type: text/plain\r\nX-Note: y\r\n\r\n")
        assert wire.reply().json() == {"accepted": 1, "dropped": []}


def test_chunks_without_end_are_too_large(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(CHUNKED)
        for _ in range(200):  # 13 MB
            wire.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        assert [reply.status for reply in wire.rest()] in ([], [413])


def test_headers_are_limited_to_16_kib(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(request("GET", "/health", b"", {"X-Long": "x" * 15_000}))
        assert wire.reply().status == 200
    [reply] = exchange(server, request("GET", "/health", b"", {"X-Long": "x" * 17_000}))
    assert reply.status == 431
    assert list(reply.json()) == ["error"]
    many = {f"X-{number}": "x" * 500 for number in range(60)}
    assert [reply.status for reply in exchange(server, request(headers=many))] == [431]


def test_headers_are_limited_to_100(server: Server) -> None:
    with Wire(server.url) as wire:
        wire.send(request("GET", "/health", b"", {f"X-{number}": "" for number in range(99)}))
        assert wire.reply().status == 200
    rows = {f"X-{number}": "" for number in range(101)}
    assert [reply.status for reply in exchange(server, request("GET", "/health", b"", rows))] == [
        431
    ]


@pytest.mark.parametrize(
    "start",
    [b"GET /", b"GET /health HTTP/1.1\r\nX: ", b"A", b"\r\n", b"POST /v1/events ", POST + b"X: "],
)
def test_a_beginning_without_an_end_is_cut_off(server: Server, start: bytes) -> None:
    settled(server)
    before = memory(server)
    part = (b"\r\n" if start == b"\r\n" else b"x") * 65536
    with Wire(server.url) as wire:
        wire.send(start)
        for _ in range(1000):
            wire.send(part)
            if wire.ended:
                break
        assert [reply.status for reply in wire.rest()] in ([], [400], [414], [431])
    assert memory(server) - before < 8 * 2**20


@pytest.mark.parametrize("start", [b"GET /health HTTP/1.1\r\n", POST])
def test_many_short_headers_without_an_end_are_cut_off(server: Server, start: bytes) -> None:
    settled(server)
    before = memory(server)
    with Wire(server.url) as wire:
        wire.send(start)
        for _ in range(500):
            wire.send(b"X: y\r\n" * 1000)
            if wire.ended:
                break
        assert [reply.status for reply in wire.rest()] in ([], [431])
    assert memory(server) - before < 8 * 2**20


@pytest.mark.parametrize(
    "target",
    ["/" + "x" * 9000, "/%ff%fe", "/%00", "//v1/events", "/v1/../health", "/v1/events/", "/%2e%2e/",
     "/v1/contracts/%2e%2e%2f", "/v1/contracts/stratus%00", "/v1/answers/%0d%0aX:y", "/v1/events?x=1#y",
     "/?" + "a=b&" * 2000, "http://localhost/health", "http://[::1/health", "*"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_no_target_makes_it_fail(server: Server, method: str, target: str) -> None:
    with Wire(server.url) as wire:
        wire.send(request(method, target))
        assert wire.reply().status < 500


@pytest.mark.parametrize("target", ["/v1/events/", "/health/", "//health"])
def test_a_path_that_is_not_quite_right_leads_nowhere(server: Server, target: str) -> None:
    """Not elsewhere either: a redirect would be to whatever host the client named."""
    with Wire(server.url) as wire:
        wire.send(request("GET", target, b"", {"Host": "elsewhere.example.org"}))
        reply = wire.reply()
    assert reply.status == 404
    assert "location" not in reply.headers


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PATCH", "PURGE", "get", "A" * 500])
def test_no_method_makes_it_fail(server: Server, method: str) -> None:
    with Wire(server.url) as wire:
        wire.send(request(method, "/health", b""))
        assert wire.reply().status in (400, 405)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [EVENTS, "/v1/command", "/v1/erasures"])
def test_events_are_posted(server: Server, method: str, path: str) -> None:
    with Wire(server.url) as wire:
        wire.send(request(method, path, b""))
        reply = wire.reply(head=method == "HEAD")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", [EVENTS, "/v1/command", "/v1/erasures"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Type": "application/jsonp"},
     {**JSON, "Content-Encoding": "br"}, {**JSON, "Content-Encoding": "gzip, gzip"},
     {**JSON, "Content-Encoding": "deflate"}],
)  # fmt: skip
def test_only_json_is_taken(server: Server, path: str, headers: dict[str, str]) -> None:
    with Wire(server.url) as wire:
        wire.send(request("POST", path, NOTHING, headers))
        assert wire.reply().status == 415


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
def test_a_client_that_waits_for_leave_gets_it(server: Server, value: str) -> None:
    body = batch()
    rows = {**JSON, "Expect": value, "Content-Length": str(len(body))}
    with Wire(server.url) as wire:
        wire.send(request(body=b"", headers=rows, length=False))
        assert wire.reply().status == 100
        wire.send(body)
        assert wire.reply().json()["accepted"] == 1


def test_a_client_that_waits_for_leave_to_send_too_much_may_not(server: Server) -> None:
    rows = {**JSON, "Expect": "100-continue", "Content-Length": str(9 * 2**20)}
    with Wire(server.url) as wire:
        wire.send(request(body=b"", headers=rows, length=False))
        assert wire.reply().status == 413


def test_of_requests_sent_at_once_the_first_is_answered(server: Server) -> None:
    """No client of ours pipelines; a queue on a connection would be memory for the asking."""
    replies = exchange(server, request(body=batch()) + HEALTH + HEALTH)
    assert [reply.status for reply in replies] == [200]
    assert replies[0].json()["accepted"] == 1


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_who_announces_the_last_request_sees_the_end_of_the_connection(
    server: Server, version: str
) -> None:
    with Wire(server.url) as wire:
        last = request(body=batch(), headers={**JSON, "Connection": "close"})
        wire.send(last.replace(b"HTTP/1.1", b"HTTP/" + version.encode()))
        reply = wire.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert wire.rest() == []


def test_batches_one_after_another_share_a_connection(server: Server) -> None:
    with Wire(server.url) as wire:
        for _ in range(5):
            wire.send(request(body=batch()))
            assert wire.reply().status == 200
        wire.send(HEALTH)
        assert wire.reply().headers["connection"] == "close"


def test_a_refused_body_does_not_become_the_next_request(server: Server) -> None:
    """A body nobody reads holds a request; whoever is answered early must not be answered twice."""
    with Wire(server.url) as wire:
        wire.send(request(body=SMUGGLED, headers={"Content-Type": "text/plain"}))
        assert wire.reply().status == 415
        wire.send(HEALTH)
        after: list[Reply] = []
        if wire.fill():
            after.append(wire.reply())
    assert [reply.json()["status"] for reply in after] in ([], ["ok"])


@pytest.mark.parametrize("body", [batch(), b"nonsense"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_client_that_wants_an_end_is_told_that_it_comes(
    server: Server, method: str, version: str, body: bytes
) -> None:
    path = "/health" if method == "GET" else EVENTS
    data = request(
        method, path, body, {**JSON, **({"Connection": "close"} if version == "1.1" else {})}
    )
    [reply] = exchange(server, data.replace(b"HTTP/1.1", b"HTTP/" + version.encode(), 1))
    assert reply.headers["connection"].lower() == "close"


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_nothing_is_upgraded(server: Server, upgrade: str) -> None:
    rows = {"Connection": "Upgrade", "Upgrade": upgrade, "HTTP2-Settings": "AAMAAABkAAQAAP__",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13"}  # fmt: skip
    with Wire(server.url) as wire:
        wire.send(request("GET", "/health", b"", rows))
        assert wire.reply().status in (200, 400)


def test_a_client_that_hangs_up_at_any_byte_leaves_nothing(server: Server) -> None:
    whole = request(body=gzip.compress(batch()), headers={**JSON, "Content-Encoding": "gzip"})
    before = _accepted(server)
    for end in range(0, len(whole) - 1, 9):
        with Wire(server.url) as wire:
            wire.send(whole[:end])
    assert _accepted(server) == before


def _accepted(server: Server) -> str:
    with Wire(server.url) as wire:
        wire.send(request("GET", "/metrics", b""))
        lines = wire.reply().body.decode().splitlines()
    return next((line for line in lines if line.startswith("askfirst_events_accepted")), "")
