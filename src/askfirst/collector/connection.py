"""One connection at the door: HTTP/1.1, as little of it as the two ways in for events need.

Everything else that arrives here - answers, pages, erasures, a HEAD - goes to the application
through a tunnel. A framework in front of the events would cost more than checking them does;
`bench/ingest.py` measures what this way costs.
"""

from __future__ import annotations

import asyncio
import re
import time
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

import httptools

from askfirst.collector.heads import Head, Way
from askfirst.collector.ingest import Taken, answer
from askfirst.collector.log import LogError
from askfirst.collector.replies import reply
from askfirst.collector.request import (
    Refusal,
    expand,
    most_bytes,
    refusal_body,
    too_large,
    too_many,
)
from askfirst.collector.tunnel import Tunnel

if TYPE_CHECKING:
    from askfirst.collector.entrance import Entrance
    from askfirst.collector.secure import Secure

HEAD_BYTES = 16 * 1024
HEADERS = 100
BODIES_BYTES = 128 * 1024 * 1024  # of all requests of a process that are not answered yet
LINGER_SECONDS = 2.0
WANTED = frozenset(
    (
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"expect",
        b"forwarded",
        b"x-forwarded-for",
    )
)
_REQUEST_LINE = re.compile(rb"[A-Za-z]+ \S+ HTTP/1\.[01]\r\n(?![ \t])")
_CLOSE = b"connection: close\r\n"
_TOO_MUCH = Refusal(503, "this is too much at once; try again", {"retry-after": "5"})
_NOT_HTTP = Refusal(400, "this is not HTTP/1.1")
_TOO_LONG = Refusal(431, f"send at most {HEADERS} headers and {HEAD_BYTES} bytes of them")


class _StopParsing(Exception):  # noqa: N818 - it is no error
    """Raised in a parser's callback."""


class Stage(Enum):
    """Where a connection is in its exchange."""

    IDLE = "idle"  # between requests
    HEAD = "head"  # a request has begun
    BODY = "body"
    BUSY = "busy"  # the request is whole, its answer is not out yet
    TUNNEL = "tunnel"
    LINGER = "linger"  # refused half-way: closing at once could cost the client its answer
    OVER = "over"


UNDER_WAY = (Stage.HEAD, Stage.BODY, Stage.BUSY, Stage.TUNNEL)
IDLE, BODY, BUSY = Stage.IDLE, Stage.BODY, Stage.BUSY  # an Enum's own names take longer to find


class Connection(asyncio.Protocol):
    """Reads a request, has it checked and logged, answers it; and so on with the next.

    A client that sends its next request before it has the answer to the last one is answered that
    one, and then the connection is closed: none of ours does, and HTTP allows it.
    """

    def __init__(self, entrance: Entrance) -> None:
        self.stage = Stage.IDLE
        self._entrance = entrance
        self._door = entrance.door
        self._since = time.monotonic()
        self._held = b""
        self._parser: httptools.HttpRequestParser | None = None
        self._tunnel: Tunnel | None = None
        self._is_limited = True
        self._keep_alive = False
        self._too_early = False
        self._way: Way | None = None
        self._reset()

    def _reset(self) -> None:
        self._head_text = b""  # if it came in one piece
        self._headers: dict[bytes, bytes] = {}
        self._names: list[bytes] = []
        self._header_bytes = 0
        self._fed = 0  # bytes of a head that has no end yet
        self._encoding = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._wanted = 0  # bytes of a body that no parser has to look at
        self._whole = False
        self._refusal: Refusal | None = None

    # asyncio's side

    def connection_made(self, transport: asyncio.Transport | Secure) -> None:  # type: ignore[override]
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self.peer: tuple[str, int] = (peer[0], peer[1]) if isinstance(peer, tuple) else ("", 0)
        if self._entrance.is_full():
            self.abort()
        else:
            self._entrance.connections.add(self)
            self._is_limited = self._door.is_limited(self.peer[0])

    def connection_lost(self, _error: Exception | None) -> None:
        self._entrance.connections.discard(self)
        self._entrance.bodies_bytes -= self._body_bytes
        self._body_bytes = 0
        self.stage = Stage.OVER
        self._parser = None
        if self._tunnel is not None:
            self._tunnel.close()

    def pause_writing(self) -> None:
        if self._tunnel is not None:
            self._tunnel.pause_reading()

    def resume_writing(self) -> None:
        if self._tunnel is not None:
            self._tunnel.resume_reading()

    def eof_received(self) -> bool:
        """Keep the way back open for an answer that is on its way."""
        self._too_early = True
        return self.stage is Stage.BUSY and self._entrance.scheme == "http"

    def data_received(self, data: bytes) -> None:
        stage = self.stage
        if stage is IDLE:
            if self._held or not self._begin_known(data):
                self._begin(self._held + data)
        elif stage is BODY and self._wanted:
            self._collect(data)
        elif stage in (Stage.HEAD, BODY):
            self._feed(data)
        elif stage is BUSY:
            self._too_early = True
        elif stage is Stage.TUNNEL:
            assert self._tunnel is not None
            self._tunnel.write(data)

    # A request whose head is known

    def _begin_known(self, data: bytes) -> bool:
        """Take the beginning of a request without a parser; False if it needs one."""
        entrance = self._entrance
        known = entrance.heads.find(data)
        if known is None:
            return False
        head, start, length = known
        size = len(data) - start
        if size > length or (self._is_limited and self._door.wait(self.peer[0], None, None)):
            return False
        self._since = time.monotonic()
        self._way, self._encoding, self._keep_alive = head.way, head.encoding, head.keep_alive
        self._body_bytes = size
        entrance.bodies_bytes += size
        if size == length:
            self._whole = True
            self._check(data[start:])
        else:
            self.stage = BODY
            self._wanted = length
            self._head_text = data[:start]
            self._body = [data[start:]]
        return True

    def _collect(self, data: bytes) -> None:
        """Take more of a body whose length is known."""
        if self._body_bytes + len(data) > self._wanted:
            data = b"".join((self._head_text, *self._body, data))
            self._entrance.bodies_bytes -= self._body_bytes
            self._reset()
            self._begin(data)  # the parser has to say what comes behind
            return
        self._body.append(data)
        self._body_bytes += len(data)
        self._entrance.bodies_bytes += len(data)
        if self._entrance.bodies_bytes > BODIES_BYTES:
            self._answer_error(_TOO_MUCH, close=True)
        elif self._body_bytes == self._wanted:
            self._wanted = 0
            self._whole = True
            self._check(b"".join(self._body))

    # A request that is parsed

    def _begin(self, data: bytes) -> None:
        if not self._header_bytes:
            self._since = time.monotonic()
        self._header_bytes += len(data) - len(self._held)
        data = data.lstrip(b"\r\n")
        for start, way in self._entrance.ways.items():
            if data.startswith(start):
                self._way = way
                self._held = b""
                self._header_bytes = 0
                text, blank, _ = data.partition(b"\r\n\r\n")
                self._head_text = text if blank else b""
                self.stage = Stage.HEAD
                if self._parser is None:
                    self._parser = httptools.HttpRequestParser(self)
                self._feed(data)
                return
        end = data.find(b"\r\n\r\n")
        if end > HEAD_BYTES or (end < 0 and self._header_bytes > HEAD_BYTES):
            self._answer_error(_TOO_LONG, close=True)
        elif data and not data[:1].isalpha():
            self._answer_error(_NOT_HTTP, close=True)
        elif end < 0:
            self._held = data
        elif not _REQUEST_LINE.match(data):
            self._answer_error(_NOT_HTTP, close=True)
        elif data.count(b"\r\n", 0, end) > HEADERS:
            self._answer_error(_TOO_LONG, close=True)
        else:
            self._held = b""
            self._open_tunnel(data)

    def _feed(self, data: bytes) -> None:
        assert self._parser is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refusal = Refusal(400, "there is nothing to upgrade to")
        except httptools.HttpParserError:
            self._refusal = self._refusal or _NOT_HTTP
        if self.stage is Stage.HEAD:
            self._fed += len(data)
            if self._fed > HEAD_BYTES:
                self._refusal = self._refusal or _TOO_LONG
        if self._refusal is not None:
            self._answer_error(self._refusal, close=True)
        elif self._whole:
            self._check(self._body[0] if len(self._body) == 1 else b"".join(self._body))

    def on_message_begin(self) -> None:
        if self._whole:
            self._too_early = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._whole:
            return
        name = name.lower()
        self._names.append(name)
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > HEAD_BYTES or len(self._names) > HEADERS:
            self._refuse(_TOO_LONG)
        if name in WANTED:
            earlier = self._headers.get(name)
            self._headers[name] = value if earlier is None else earlier + b", " + value

    def on_headers_complete(self) -> None:
        if self._whole:
            return
        self.stage = Stage.BODY
        headers = self._headers
        wait = self._door.wait(
            self.peer[0], _text(headers, b"forwarded"), _text(headers, b"x-forwarded-for")
        )
        if wait:
            self._refuse(too_many(wait))
        self._encoding = headers.get(b"content-encoding", b"")
        length = headers.get(b"content-length", b"")
        try:
            self._most_bytes = most_bytes(headers.get(b"content-type", b""), self._encoding, length)
        except Refusal as refusal:
            self._refuse(refusal)
        self._remember(length)
        if headers.get(b"expect", b"").lower() == b"100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._whole:
            return
        self._body_bytes += len(body)
        self._entrance.bodies_bytes += len(body)
        self._body.append(body)
        if self._body_bytes > self._most_bytes:
            self._refuse(too_large())
        if self._entrance.bodies_bytes > BODIES_BYTES:
            self._refuse(_TOO_MUCH)

    def on_message_complete(self) -> None:
        if not self._whole:
            assert self._parser is not None
            self._keep_alive = self._parser.should_keep_alive()  # it forgets when this returns
            self._whole = True

    def _remember(self, length: bytes) -> None:
        """Know this head when it comes again."""
        assert self._way is not None
        assert self._parser is not None
        keep_alive = self._parser.should_keep_alive()
        head = Head(self._way, self._encoding, self._most_bytes, keep_alive)
        self._entrance.heads.learn(self._head_text, self._names, length, head)

    def _refuse(self, refusal: Refusal) -> None:
        """End the parsing: what comes behind is not read any more."""
        self._refusal = refusal
        raise _StopParsing  # not the refusal: one that is raised again and again keeps every trace

    # What is in it

    def _check(self, body: bytes) -> None:
        self.stage = BUSY
        self._body = []
        assert self._way is not None
        if self._encoding:
            try:
                body = expand(body, self._encoding)
            except Refusal as refusal:
                self._answer_error(refusal)
                return
        if self._way.singles is None or not self._way.singles.add(body, self):
            self.check_alone(body)

    def check_alone(self, body: bytes) -> None:
        """Check a body, and have what is in it logged."""
        assert self._way is not None
        try:
            taken = self._way.take(body)
            if taken.payload:
                self._door.log.append(taken.payload, partial(self.logged, taken))
            else:
                self._answer_taken(taken)
        except Refusal as refusal:
            self._answer_error(refusal)
        except LogError as error:
            self._answer_log_error(error)
        except Exception:
            self._answer_error(Refusal(500, "the collector failed; try again later"), close=True)
            raise  # asyncio's handler writes it down for the operator

    def logged(self, taken: Taken, error: LogError | None) -> None:
        """Answer what is in the log now, or why it is not."""
        if error is not None:
            self._answer_log_error(error)
        else:
            self._answer_taken(taken)

    # Its answer

    def _answer_taken(self, taken: Taken) -> None:
        self._door.count(taken)
        if taken.dropped or self.stage is not BUSY:
            self._answer(200, answer(taken), b"")
            return
        entrance = self._entrance
        assert self._way is not None
        self._way.taken.n += 1
        close = self._must_close()
        known = entrance.accepted_last if close else entrance.accepted
        text = known.get(taken.accepted)
        if text is None:
            text = reply(200, entrance.date, answer(taken), _CLOSE if close else b"")
            known[taken.accepted] = text
        self.transport.write(text)
        self._over()
        if self._names:
            self._reset()  # what the parser left
        if close:
            self.stage = Stage.OVER
            self.transport.close()

    def _must_close(self) -> bool:
        return self._too_early or self._entrance.closing or not self._keep_alive

    def _answer_log_error(self, error: LogError) -> None:
        self._answer_error(Refusal(503, str(error), {"retry-after": str(error.retry_after)}))

    def _answer_error(self, refusal: Refusal, *, close: bool = False) -> None:
        rows = "".join(f"{name}: {value}\r\n" for name, value in refusal.headers.items())
        self._too_early = self._too_early or close
        self._answer(refusal.status, refusal_body(refusal), rows.encode("latin-1"))

    def _answer(self, status: int, body: bytes, rows: bytes) -> None:
        path = self._way.path if self._way else "other"
        self._door.metrics.add("askfirst_requests_total", route=path, status=str(status))
        if self.stage is Stage.OVER:  # the client did not wait
            return
        whole, close = self._whole, self._must_close()
        if close:
            rows += _CLOSE
        self.transport.write(reply(status, self._entrance.date, body, rows))
        self._over()
        self._reset()
        if not close:
            return
        if whole:
            self.stage = Stage.OVER
            self.transport.close()
        else:
            self.stage = Stage.LINGER
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def _over(self) -> None:
        """Be ready for the next request."""
        self._entrance.bodies_bytes -= self._body_bytes
        self._since = time.monotonic()
        self.stage = IDLE
        self._body_bytes = 0
        self._whole = False

    # Its end

    def look_at_clock(self, now: float) -> None:
        """Close the connection if what it is at takes too long."""
        limits, waited = self._door.limits, now - self._since
        if self.stage is Stage.IDLE and not self._header_bytes:
            if waited > limits.idle_seconds:
                self.abort()
        elif self.stage in (Stage.IDLE, Stage.HEAD):
            if waited > limits.header_seconds:
                self._answer_error(Refusal(408, "the head did not come in time"), close=True)
        elif self.stage is Stage.TUNNEL:
            if self._tunnel is not None and self._tunnel.is_stuck(now):
                self.abort()
        elif self.stage is Stage.LINGER:
            if waited > LINGER_SECONDS:
                self.abort()
        elif self.stage is Stage.BODY and waited > limits.body_seconds:
            self._answer_error(Refusal(408, "the body did not come in time"), close=True)

    def close_if_idle(self) -> None:
        """Close the connection unless it is in the middle of something."""
        if self.stage is Stage.IDLE and not self._header_bytes:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once."""
        self.stage = Stage.OVER
        self.transport.abort()

    # Everything that is no event

    def _open_tunnel(self, data: bytes) -> None:
        """Pass on one request. The next needs a connection of its own, so that none gets round the
        limits above.
        """
        self.stage = Stage.TUNNEL
        line, _, rest = data.partition(b"\r\n")
        data = line + b"\r\nconnection: close\r\n" + rest
        self._tunnel = Tunnel(self.transport, self._entrance.application)
        self._tunnel.open(self._entrance.scheme, *self.peer, data)


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")
