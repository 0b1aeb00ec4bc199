"""The bytes of an answer at the door."""

from __future__ import annotations

_REASONS = {
    200: b"OK", 400: b"Bad Request", 404: b"Not Found", 408: b"Request Timeout",
    413: b"Content Too Large", 415: b"Unsupported Media Type", 422: b"Unprocessable Content",
    429: b"Too Many Requests", 431: b"Request Header Fields Too Large",
    500: b"Internal Server Error", 503: b"Service Unavailable",
}  # fmt: skip


def reply(status: int, date: bytes, body: bytes, rows: bytes = b"") -> bytes:
    """Return an answer in JSON; `rows` are further header lines."""
    return (
        b"HTTP/1.1 %d %s\r\ndate: %s\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n%s\r\n%s" % (status, _REASONS[status], date, len(body), rows, body)
    )
