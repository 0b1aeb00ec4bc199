"""What a request may be before its JSON is read."""

from __future__ import annotations

import gzip
import zlib

import pytest

from askfirst.collector.request import (
    COMPRESSED_BYTES,
    EXPANDED_BYTES,
    Refusal,
    most_bytes,
)
from tests.collector.bodies import read_body

JSON = b"application/json"
TEXT = b'{"tool":"stratus"}'
BOMB = zlib.compress(b" " * (EXPANDED_BYTES + 1), wbits=31)


@pytest.mark.parametrize("kind", [JSON, b"Application/JSON ; charset=utf-8", b" application/json;"])
@pytest.mark.parametrize("encoding", [b"", b"identity", b" Identity "])
def test_plain_json_is_what_it_is(kind: bytes, encoding: bytes) -> None:
    assert read_body(kind, encoding, TEXT) is TEXT


@pytest.mark.parametrize("encoding", [b"gzip", b"GZIP", b" gzip "])
def test_gzip_is_undone(encoding: bytes) -> None:
    assert read_body(JSON, encoding, gzip.compress(TEXT)) == TEXT


def test_exactly_the_limit_is_taken() -> None:
    body = b" " * EXPANDED_BYTES
    assert read_body(JSON, b"", body) is body
    assert read_body(JSON, b"gzip", gzip.compress(body)) == body


REFUSED = [
    (b"", b"", TEXT, 415),
    (b"text/json", b"", TEXT, 415),
    (b"application/jsonp", b"", TEXT, 415),
    (JSON, b"br", TEXT, 415),
    (JSON, b"gzip, gzip", TEXT, 415),
    (JSON, b"gzip", TEXT, 400),
    (JSON, b"gzip", b"", 400),
    (JSON, b"gzip", zlib.compress(TEXT), 400),
    (JSON, b"gzip", gzip.compress(TEXT)[:-1], 400),
    (JSON, b"gzip", gzip.compress(TEXT) + b"x", 400),
    (JSON, b"gzip", gzip.compress(TEXT) * 2, 400),
    (JSON, b"gzip", BOMB, 413),
    (JSON, b"gzip", bytes(COMPRESSED_BYTES + 1), 413),
    (JSON, b"", bytes(EXPANDED_BYTES + 1), 413),
]


@pytest.mark.parametrize(("kind", "encoding", "raw", "status"), REFUSED, ids=range(len(REFUSED)))
def test_anything_else_is_refused(kind: bytes, encoding: bytes, raw: bytes, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        read_body(kind, encoding, raw)
    assert refused.value.status == status


def test_headers_alone_say_how_much_may_come() -> None:
    assert most_bytes(JSON, b"") == EXPANDED_BYTES
    assert most_bytes(JSON, b"gzip", b"12") == COMPRESSED_BYTES
    assert most_bytes(JSON, b"", b"%d" % EXPANDED_BYTES) == EXPANDED_BYTES
    assert most_bytes(JSON, b"", b"nonsense") == EXPANDED_BYTES  # counted as it comes
    for encoding, length in ((b"gzip", COMPRESSED_BYTES + 1), (b"", 10**30)):
        with pytest.raises(Refusal) as refused:
            most_bytes(JSON, encoding, b"%d" % length)
        assert refused.value.status == 413
