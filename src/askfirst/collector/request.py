"""What a request may be before its JSON is read: its headers, its size, its compression."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from math import ceil

import msgspec

COMPRESSED_BYTES = 1024 * 1024
EXPANDED_BYTES = 8 * 1024 * 1024


class Refusal(Exception):  # noqa: N818 - the name says what the sender gets
    """A request that is not taken: `status`, and one sentence that says what to do."""

    def __init__(self, status: int, error: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.error = error
        self.headers = headers or {}
        super().__init__(error)


def most_bytes(content_type: bytes, content_encoding: bytes, content_length: bytes = b"") -> int:
    """Return how many bytes a body may have as it comes; b"" stands for a header that is not there.

    Raises Refusal: 415 for what is not JSON, 413 if the headers announce more.
    """
    kind = content_type.partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Refusal(415, "send JSON, with Content-Type: application/json")
    encoding = _named(content_encoding)
    if encoding not in (b"identity", b"gzip"):
        raise Refusal(415, "send the body as it is, or with Content-Encoding: gzip")
    limit = COMPRESSED_BYTES if encoding == b"gzip" else EXPANDED_BYTES
    if content_length.isdigit() and int(content_length[:20]) > limit:
        raise too_large()
    return limit


def expand(body: bytes, content_encoding: bytes) -> bytes:
    """Undo gzip (RFC 1952) if the header says so, never past the limit.

    Raises Refusal: 400 for what is not one whole gzip member, 413 for too much.
    """
    if _named(content_encoding) != b"gzip":
        return body
    stream = zlib.decompressobj(wbits=31)
    try:
        text = stream.decompress(body, EXPANDED_BYTES + 1)
    except zlib.error:
        raise Refusal(400, "the body is not gzip, though Content-Encoding says so") from None
    if len(text) > EXPANDED_BYTES:
        raise too_large()
    if not stream.eof or stream.unused_data:
        raise Refusal(400, "the body is not one whole gzip member; send it whole")
    return text


def refusal_body(refusal: Refusal) -> bytes:
    """Return what a client is told, in JSON."""
    return msgspec.json.encode({"error": refusal.error})


def too_many(wait: float) -> Refusal:
    """Return the refusal of a client that has to wait so many seconds."""
    later = {"retry-after": str(ceil(wait))}
    return Refusal(429, "these are too many requests; try again later", later)


def too_large() -> Refusal:
    """Return the refusal of a body past the limit, whenever that is noticed."""
    return Refusal(
        413,
        f"send at most {COMPRESSED_BYTES} bytes with gzip and {EXPANDED_BYTES} bytes without; "
        "split the batch",
    )


def _named(content_encoding: bytes) -> bytes:
    return content_encoding.strip().lower() or b"identity"
