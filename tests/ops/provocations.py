"""What makes a web server write a line: failures of each kind, each from an address of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import ssl
import struct
from collections.abc import Callable, Iterator

from tests.collector.serving import DEADLINE, Server, make_event
from tests.ops.proxies import NAME, Proxy

LARGE = 9 * 1024 * 1024
JSON = {"Content-Type": "application/json"}
# every header by which one program tells another who its client is, each with its own address
FORWARDING = {
    "X-Forwarded-For": "203.0.113.1, 2001:db8::1",
    "Forwarded": 'for=203.0.113.2;by=203.0.113.3, for="[2001:db8::2]:4711"',
    "X-Real-IP": "203.0.113.4",
    "X-Client-IP": "203.0.113.5",
    "X-Cluster-Client-IP": "203.0.113.6",
    "X-Original-Forwarded-For": "203.0.113.7",
    "X-ProxyUser-Ip": "203.0.113.8",
    "Client-IP": "203.0.113.9",
    "True-Client-IP": "203.0.113.10",
    "CF-Connecting-IP": "203.0.113.11",
    "CF-Connecting-IPv6": "2001:db8::3",
    "Fastly-Client-IP": "203.0.113.12",
    "Fly-Client-IP": "203.0.113.13",
    "X-Azure-ClientIP": "203.0.113.14",
    "X-Appengine-User-IP": "203.0.113.15",
    "WL-Proxy-Client-IP": "203.0.113.16",
    "Via": "1.1 203.0.113.17",
    "X-Forwarded-Host": "203.0.113.18",
}


def batch(number: int = 1) -> bytes:
    """Return a batch of new events."""
    return json.dumps({"tool": "stratus", "events": [make_event() for _ in range(number)]}).encode()


def ask(
    connection: http.client.HTTPConnection,
    target: str,
    body: bytes | Iterator[bytes] | None = None,
    **headers: str,
) -> http.client.HTTPResponse:
    """Send a request with every forwarding header, and read its answer."""
    method = "GET" if body is None else "POST"
    rows = {**JSON, **FORWARDING, **headers}
    connection.request(method, target, body, rows, encode_chunked=isinstance(body, Iterator))
    answer = connection.getresponse()
    answer.read()
    return answer


def post(proxy: Proxy, address: str, **headers: str) -> http.client.HTTPResponse:
    """Send one event from an address, on a connection of its own."""
    with contextlib.closing(proxy.connect(address)) as connection:
        return ask(connection, "/v1/events", batch(), **headers)


def raw(proxy: Proxy, address: str, *, secure: bool = True) -> socket.socket:
    """Return a socket, encrypted or not, at the port for TLS."""
    where = ("127.0.0.1", proxy.place.secure)
    plain = socket.create_connection(where, DEADLINE, (address, 0))
    return proxy.context().wrap_socket(plain, server_hostname=NAME) if secure else plain


def read_all(sock: socket.socket) -> bytes:
    """Return what still comes, until the other side closes."""
    parts = []
    with contextlib.suppress(OSError):
        while part := sock.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def said_so_far(sock: socket.socket) -> bytes:
    """Return what has come, without waiting for any."""
    sock.settimeout(0)
    try:
        return sock.recv(65_536)
    except (BlockingIOError, ssl.SSLWantReadError):
        return b""
    finally:
        sock.settimeout(DEADLINE)


def head(path: str, *more: str) -> bytes:
    """Return the head of a POST whose forwarding headers are all there."""
    rows = [f"{name}: {value}" for name, value in {**JSON, **FORWARDING}.items()]
    return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {NAME}", *rows, *more, "", ""]).encode()


def broken_off(sock: socket.socket) -> None:
    """Close with a reset, as a machine does that is switched off."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def too_large(proxy: Proxy, address: str) -> None:
    with contextlib.closing(proxy.connect(address)) as connection:
        connection.putrequest("POST", "/v1/events")
        for name, value in {**JSON, **FORWARDING}.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(LARGE))
        connection.endheaders()
        assert connection.getresponse().status == 413


def too_large_in_chunks(proxy: Proxy, address: str) -> None:
    with raw(proxy, address) as sock:
        sock.sendall(head("/v1/events", "Transfer-Encoding: chunked"))
        said = b""
        with contextlib.suppress(ConnectionError):  # it may have answered, and wait no longer
            for _ in range(LARGE // 65_536 + 1):
                sock.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                if said := said_so_far(sock):  # what is sent after an answer could cost it
                    break
        said += read_all(sock)
        assert b" 413 " in said[:20], said[:200]


def a_body_that_never_comes(proxy: Proxy, address: str) -> None:
    with raw(proxy, address) as sock:
        sock.sendall(head("/v1/events", "Content-Length: 100") + b'{"tool"')
        read_all(sock)


def a_head_that_never_ends(proxy: Proxy, address: str) -> None:
    with raw(proxy, address) as sock:
        sock.sendall(head("/v1/events")[:-2])
        read_all(sock)


def a_head_without_sense(proxy: Proxy, address: str) -> None:
    with raw(proxy, address) as sock:
        sock.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        read_all(sock)


def a_head_too_long(proxy: Proxy, address: str) -> None:
    with raw(proxy, address) as sock:
        with contextlib.suppress(OSError):
            sock.sendall(head("/v1/events", *(f"X-{n}: {'y' * 4000}" for n in range(16))))
        read_all(sock)


def a_break_in_the_body(proxy: Proxy, address: str) -> None:
    sock = raw(proxy, address)
    sock.sendall(head("/v1/events", "Content-Length: 100000") + b'{"tool"')
    broken_off(sock)


def a_break_in_the_answer(proxy: Proxy, address: str) -> None:
    sock = raw(proxy, address)
    for _ in range(8):
        sock.sendall(head("/static/vendor/echarts.min.js").replace(b"POST", b"GET") + b"\r\n")
    sock.recv(1)
    broken_off(sock)


def no_tls(proxy: Proxy, address: str) -> None:
    with raw(proxy, address, secure=False) as sock:
        sock.sendall(head("/v1/events", "Content-Length: 0"))
        read_all(sock)


def no_handshake(proxy: Proxy, address: str) -> None:
    with raw(proxy, address, secure=False) as sock:
        sock.sendall(bytes(range(256)) * 8)
        read_all(sock)


def half_a_handshake(proxy: Proxy, address: str) -> None:
    sock = raw(proxy, address, secure=False)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = proxy.context().wrap_bio(incoming, outgoing, server_hostname=NAME)
    with contextlib.suppress(ssl.SSLWantReadError):
        half.do_handshake()
    sock.sendall(outgoing.read())
    sock.recv(1)
    broken_off(sock)


def a_handshake_without_trust(proxy: Proxy, address: str) -> None:
    with (
        raw(proxy, address, secure=False) as sock,
        contextlib.suppress(ssl.SSLError),
    ):
        ssl.create_default_context().wrap_socket(sock, server_hostname=NAME)


def a_handshake_for_another_name(proxy: Proxy, address: str) -> None:
    context = proxy.context()
    context.check_hostname = False
    with (
        raw(proxy, address, secure=False) as sock,
        contextlib.suppress(ssl.SSLError, OSError),
        context.wrap_socket(sock, server_hostname="other.example.org") as other,
    ):
        other.sendall(b"GET / HTTP/1.1\r\nHost: other.example.org\r\nConnection: close\r\n\r\n")
        read_all(other)


def a_challenge_nobody_set(proxy: Proxy, address: str) -> None:
    with contextlib.closing(proxy.connect(address, plain=True)) as connection:
        ask(connection, "/.well-known/acme-challenge/x")


def nothing_there(proxy: Proxy, address: str) -> None:
    with contextlib.closing(proxy.connect(address)) as connection:
        assert ask(connection, "/%2e%2e/etc/passwd").status in (400, 404)


def nonsense_for_the_collector(proxy: Proxy, address: str) -> None:
    with contextlib.closing(proxy.connect(address)) as connection:
        assert ask(connection, "/v1/events", b"{").status == 400


LASTING: list[Callable[[Proxy, str], None]] = [a_body_that_never_comes, a_head_that_never_ends]
PROVOCATIONS: list[Callable[[Proxy, str], None]] = [
    too_large,
    too_large_in_chunks,
    a_head_without_sense,
    a_head_too_long,
    a_break_in_the_body,
    a_break_in_the_answer,
    no_tls,
    no_handshake,
    half_a_handshake,
    a_handshake_without_trust,
    a_handshake_for_another_name,
    a_challenge_nobody_set,
    nothing_there,
    nonsense_for_the_collector,
]


def a_collector_that_hangs(proxy: Proxy, address: str, collector: Server) -> None:
    """Ask while the collector is stopped; then it goes on."""
    collector.process.send_signal(signal.SIGSTOP)
    try:
        assert post(proxy, address).status in (502, 504)
    finally:
        collector.process.send_signal(signal.SIGCONT)


def a_collector_that_is_gone(proxy: Proxy, address: str, collector: Server) -> None:
    """Ask after the collector has ended."""
    assert collector.stop() == 0
    assert post(proxy, address).status in (502, 503)
