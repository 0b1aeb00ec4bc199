"""Connections that send whatever they like, and a collector to send it to."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.collector.serving import CONTRACT, DEADLINE, Server, make_event, servers, wait_until

EVENTS = "/v1/events"
NOTHING = b'{"tool":"stratus","events":[]}'  # a batch that leaves no trace
JSON = {"Content-Type": "application/json"}


class Hang(AssertionError):  # noqa: N818 - what the server did
    """The server neither answered nor closed."""


@dataclass
class Reply:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A raw connection to a server, from an address of this machine."""

    def __init__(self, url: str, source: str = "127.0.0.1") -> None:
        where = urlsplit(url)
        assert where.hostname
        assert where.port
        self.socket = socket.create_connection(
            (where.hostname, where.port), DEADLINE, source_address=(source, 0)
        )
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send, even to somebody who has stopped listening."""
        try:
            self.socket.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            self.ended = True

    def fill(self, seconds: float = DEADLINE) -> bool:
        """Wait for more to come; False when it did not. Sets `ended` when the server closed."""
        self.socket.settimeout(seconds)
        try:
            part = self.socket.recv(65536)
        except TimeoutError:
            return False
        except ConnectionResetError:
            part = b""
        finally:
            self.socket.settimeout(DEADLINE)
        self.ended = self.ended or not part
        self.buffer += part
        return bool(part)

    def reply(self, *, head: bool = False) -> Reply:
        """Return the next answer. Raises Hang."""
        end = time.monotonic() + DEADLINE
        while (found := parse(self.buffer, head=head)) is None:
            assert not self.ended, f"closed after {self.buffer!r}"
            if not self.fill() and time.monotonic() >= end:
                raise Hang
        reply, self.buffer = found
        return reply

    def until(self, number: int) -> list[Reply]:
        """Return answers: so many, or fewer when the server closes before."""
        replies: list[Reply] = []
        while len(replies) < number:
            if (found := parse(self.buffer)) is not None:
                reply, self.buffer = found
                replies.append(reply)
            elif self.ended:
                break
            elif not self.fill() and not self.ended:
                raise Hang
        return replies

    def rest(self, *, head: bool = False) -> list[Reply]:
        """Return all answers up to the end of the connection. Raises Hang if there is none."""
        end = time.monotonic() + DEADLINE
        while not self.ended:
            if not self.fill(0.2) and time.monotonic() >= end:
                raise Hang
        replies = []
        while (found := parse(self.buffer, head=head)) is not None:
            reply, self.buffer = found
            replies.append(reply)
        assert self.buffer == b"", self.buffer
        return replies


def parse(data: bytes, *, head: bool = False) -> tuple[Reply, bytes] | None:
    """Read an answer from the beginning of `data`; None if it is not whole."""
    top, blank, rest = data.partition(b"\r\n\r\n")
    if not blank:
        return None
    first, *rows = top.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    assert version in ("HTTP/1.1", "HTTP/1.0"), first
    pairs = (row.partition(":") for row in rows)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    assert "transfer-encoding" not in headers, "no answer of the collector needs that"
    bodiless = head or status in ("100", "204", "304")
    length = 0 if bodiless else int(headers["content-length"])
    if len(rest) < length:
        return None
    return Reply(int(status), headers, rest[:length]), rest[length:]


def request(
    method: str = "POST",
    target: str = EVENTS,
    body: bytes = NOTHING,
    headers: dict[str, str] | None = None,
    *,
    length: bool = True,
) -> bytes:
    """Return a request; with JSON's content type unless `headers` say otherwise."""
    rows = {"Host": "localhost", **(JSON if headers is None else headers)}
    if length and (body or method == "POST"):
        rows["Content-Length"] = str(len(body))
    top = "".join(f"{name}: {value}\r\n" for name, value in rows.items())
    return f"{method} {target} HTTP/1.1\r\n{top}\r\n".encode("latin-1") + body


def batch(*events: Any) -> bytes:
    """Return a batch of these events, or of a good one."""
    return json.dumps({"tool": "stratus", "events": list(events) or [make_event()]}).encode()


def exchange(server: Server, data: bytes, *, head: bool = False) -> list[Reply]:
    """Send bytes on a connection of their own; return all answers until the server closed it."""
    with Wire(server.url) as wire:
        wire.send(data)
        return wire.rest(head=head)


def healthy(server: Server) -> None:
    """Check that an honest client is served, and that nothing went wrong in the server's eyes."""
    with Wire(server.url) as wire:
        wire.send(request(body=batch()))
        reply = wire.reply()
        assert (reply.status, reply.json()["accepted"]) == (200, 1)
    assert server.process.poll() is None
    said = complaints(server)
    assert not said, said


def complaints(server: Server) -> list[str]:
    """Return what the server said that is neither its greeting nor a line for the operator."""
    expected = ("listening on ", "log in at ", "askfirst: ")
    return [line for line in server.lines if not line.startswith(expected)]


@contextmanager
def collector(folder: Path, *options: str) -> Iterator[Server]:
    """Run `askfirst serve`, with these options more, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    contract = folder / "telemetry.toml"
    contract.write_text(CONTRACT)
    with servers(folder / "home", "serve", "--contract", str(contract), *options) as begin:
        yield begin()


def processes(server: Server) -> list[int]:
    """Return the server's process and its children."""
    found, todo = [], [server.process.pid]
    while todo:
        number = todo.pop()
        found.append(number)
        for thread in _listed(f"/proc/{number}/task"):
            todo += map(int, _told(f"/proc/{number}/task/{thread}/children").split())
    return found


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):  # that process has ended meanwhile
        return []


def _told(path: str) -> str:
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):  # that process, or thread, has ended meanwhile
        return ""


def memory(server: Server, field: str = "VmHWM") -> int:
    """Return the most bytes that the server's processes ever had resident, or have (VmRSS)."""
    total = 0
    for number in processes(server):
        for line in _told(f"/proc/{number}/status").splitlines():
            if line.startswith(f"{field}:"):
                total += int(line.split()[1]) * 1024
    return total


def settled(server: Server) -> None:
    """Wait until a server has loaded events once: the memory that takes is of no later request."""
    if not _has_loaded(server):
        healthy(server)
    wait_until(lambda: _has_loaded(server))


def _has_loaded(server: Server) -> bool:
    page = server.call("GET", "/metrics").body.decode()
    return "\naskfirst_events_stored_total 0\n" not in page
