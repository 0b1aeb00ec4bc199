"""Loopback servers: one that answers, one that accepts and stays silent, a port that is closed."""

from __future__ import annotations

import gzip
import http.server
import socket
import ssl
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = b'{"status": 1, "code": 200, "accepted": 1, "dropped": []}'


class Answering(http.server.ThreadingHTTPServer):
    """Answers 200 to everything and keeps what came, as text."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        if context is not None:
            self.url = self.url.replace("http", "https", 1)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle is the client's affair."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Answering
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.came.append(self.path + unquote_plus(body.decode()))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def answering(context: ssl.SSLContext | None = None) -> Iterator[Answering]:
    """Run a server that answers 200, with TLS if a context is given."""
    with Answering(context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """Yield the URL of a server whose kernel accepts connections, and that never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def closed() -> str:
    """Return the URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return f"http://127.0.0.1:{listening.getsockname()[1]}"


def authority(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a TLS context for loopback, and a folder of hashed roots: the system's and its own.

    A sender on Debian or Fedora meets the like: some 140 roots in a file and, each apart, in a
    folder.
    """
    import trustme

    own = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.issue_cert("127.0.0.1").configure_cert(context)
    roots = folder / "roots"
    roots.mkdir()
    for path in Path("/etc/ssl/certs").glob("*.0"):
        (roots / path.name).symlink_to(path.resolve())
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash"],
        input=own.cert_pem.bytes(),
        stdout=subprocess.PIPE,
        check=True,
    )
    own.cert_pem.write_to_path(str(roots / f"{told.stdout.decode().strip()}.0"))
    return context, roots
