"""One request over HTTP/1.1 and its answer, on a connection of its own (RFC 9110, RFC 9112).

`http.client` imports the e-mail package: a sixth of a delivery's CPU.
"""

import io
import socket
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from _typeshed import WriteableBuffer

TIMEOUT_S = 15  # for connecting, and for each wait on the socket
MOST_S = 30  # for an answer in all, however little of it comes at a time
MOST_BODY = 1_000_000  # bytes of an answer that are read
LONGEST_LINE = 65_536  # bytes, with its end
MOST_LINES = 100  # of an answer's head


class BadAnswerError(ValueError):
    """What is not HTTP, or ends in the middle."""


class _Within(io.RawIOBase):
    """A connection that is read for MOST_S; then a TimeoutError is raised."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.end = monotonic() + MOST_S

    def readable(self) -> bool:
        return True

    def readinto(self, into: "WriteableBuffer") -> int:
        left = self.end - monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        self.connection.settimeout(min(left, TIMEOUT_S))
        return self.connection.recv_into(into)


def connect(host: str, port: int) -> socket.socket:
    """Connect to a server or a proxy. Raises OSError."""
    return socket.create_connection((host, port), TIMEOUT_S)


def authority(host: str, port: int, usual: int) -> str:
    """Spell host and port for a request; `usual` is the port that is left out."""
    name = f"[{host}]" if ":" in host else host
    return name if port == usual else f"{name}:{port}"


def tunnel(connection: socket.socket, host: str, port: int, headers: "dict[str, str]") -> None:
    """Have a proxy join us to a server. Raises OSError or BadAnswerError."""
    place = authority(host, port, 0)
    connection.sendall(_head("CONNECT", place, {"Host": place, **headers}))
    with io.BufferedReader(_Within(connection)) as file:
        status, _ = _read_head(file)
    if not 200 <= status < 300:
        raise OSError(f"the proxy answered {status}")


def post(
    connection: socket.socket, target: str, headers: "dict[str, str]", body: bytes
) -> "tuple[int, dict[str, str], bytes]":
    """POST `body`; return the answer's status, its headers by lower-case names, and its body.

    Raises OSError or BadAnswerError.
    """
    whole = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
    connection.sendall(_head("POST", target, whole) + body)
    with io.BufferedReader(_Within(connection)) as file:
        status, said = _read_head(file)
        return status, said, _read_body(file, status, said)


def _head(method: str, target: str, headers: "dict[str, str]") -> bytes:
    rows = [f"{method} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*rows, "", ""]).encode("ascii")


def _read_head(file: "BinaryIO") -> "tuple[int, dict[str, str]]":
    while True:
        version, _, rest = _line(file).partition(" ")
        code = rest[:3]
        if not version.startswith("HTTP/1.") or not (len(code) == 3 and code.isdigit()):
            raise BadAnswerError("what came back is not HTTP")
        headers = _read_headers(file)
        if not 100 <= int(code) < 200:  # "go on", and the like
            return int(code), headers


def _read_headers(file: "BinaryIO") -> "dict[str, str]":
    headers: dict[str, str] = {}
    for _ in range(MOST_LINES):
        line = _line(file)
        if not line:
            return headers
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    raise BadAnswerError("an answer's head has too many lines")


def _line(file: "BinaryIO") -> str:
    raw = file.readline(LONGEST_LINE)
    if not raw.endswith(b"\n"):
        raise BadAnswerError("no answer came back, or a broken one")
    return raw.decode("latin-1").rstrip("\r\n")


def _read_body(file: "BinaryIO", status: int, headers: "dict[str, str]") -> bytes:
    if status in (204, 304):
        return b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunks(file)
    length = headers.get("content-length", "")
    plain = length.isascii() and length.isdigit()
    return file.read(min(int(length[:9]), MOST_BODY) if plain else MOST_BODY)


def _read_chunks(file: "BinaryIO") -> bytes:
    body = b""
    while len(body) < MOST_BODY:
        digits = _line(file).partition(";")[0].strip()
        try:
            size = int(digits, 16)
        except ValueError:
            raise BadAnswerError("an answer's chunk has no size") from None
        if size <= 0:
            break
        body += file.read(min(size, MOST_BODY))
        _line(file)
    return body[:MOST_BODY]
