"""Collectors that do what a test wants: answer, wait, refuse, or say nothing for ever."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 120  # for what takes less than a second on a machine that is free
SIGN_S = 5  # a sender waits for 15 s for a sign of life, and for an answer for 30 s


class Receiver:
    """A collector on loopback that remembers what it got; `answer()` lets it answer if `slow`."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.said: bytes | None = None  # a body that no collector of ours sends
        self.slow = False
        self.arrived = threading.Semaphore(0)
        self._may_answer = threading.Semaphore(0)
        self._server = _server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        """What makes a client deliver here."""
        return {"ASKFIRST_COLLECTOR": f"http://127.0.0.1:{self._server.server_address[1]}"}

    @property
    def ids(self) -> Counter[str]:
        """The ids of the events that came, and how often each did."""
        batches = [body["events"] for path, body in self.posts if path == "/v1/events"]
        return Counter(event["id"] for batch in batches for event in batch)

    def wait(self) -> None:
        """Wait for the next request."""
        assert self.arrived.acquire(timeout=PATIENCE_S)

    def answer(self) -> None:
        """Answer one request that waits."""
        self._may_answer.release()

    def handle(self, path: str, body: dict[str, Any], out: BinaryIO) -> tuple[int, bytes]:
        """Answer as is said now: as soon as a request has arrived, a test may say otherwise."""
        status, slow = self.status, self.slow
        said = self.said or (taken(body) if status == 200 else b'{"error": "no"}')
        self.posts.append((path, body))
        self.arrived.release()
        while slow and not self._may_answer.acquire(timeout=SIGN_S):
            out.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return status, said

    def close(self) -> None:
        self.slow = False
        for _ in range(100):
            self._may_answer.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def taken(body: dict[str, Any]) -> bytes:
    """What a collector answers to events that it takes, all of them, or to an erasure."""
    said = {"accepted": len(body["events"]), "dropped": []} if "events" in body else {"erased": 1}
    return json.dumps(said).encode()


def _server(receiver: Receiver) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            body = json.loads(raw)
            try:
                status, said = receiver.handle(self.path, body, self.wfile)
                self.send_response(status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)
            except OSError:
                pass  # the sender was killed

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            """A sender that was killed in the middle of a request is no error."""

    return Server(("127.0.0.1", 0), Handler)


@contextmanager
def silence() -> Iterator[socket.socket]:
    """A collector that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        yield listening


def where(listening: socket.socket) -> dict[str, str]:
    """What makes a client deliver there."""
    return {"ASKFIRST_COLLECTOR": f"http://127.0.0.1:{listening.getsockname()[1]}"}


@contextmanager
def black_hole() -> Iterator[dict[str, str]]:
    """The same, for whom its connections are all one."""
    with silence() as listening:
        yield where(listening)
