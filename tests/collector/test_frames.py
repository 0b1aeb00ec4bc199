"""Frames: what is put in comes out, and columns go end to end."""

from __future__ import annotations

import msgspec
import pytest

from askfirst.collector.frames import (
    EventsFrame,
    decode,
    encode,
    moments,
    pack_moments,
    pieces,
)


def frame(tool: str = "stratus") -> EventsFrame:
    return EventsFrame(
        tool=tool,
        received=1_795_417_883_502,
        id=bytes(range(32)),
        timestamp=pack_moments([1, -(2**63)]),
        installation=bytes(range(64)),
        version=["1.0", "2.0"],
        command=["start", "stop"],
        fields={"interactive": [None, True], "runtime": ["1.2", None]},
        counts={"dropped:too-old": 3},
    )


def test_a_frame_comes_back_as_it_went() -> None:
    assert decode(encode(frame())) == frame()
    assert len(frame()) == 2


def test_moments_are_little_endian_and_end_to_end() -> None:
    assert pack_moments([1, 258]) == b"\1" + bytes(7) + b"\2\1" + bytes(6)
    assert moments(pack_moments([]) + pack_moments([2**63 - 1]) + pack_moments([-5, 0])) == [
        2**63 - 1,
        -5,
        0,
    ]


def test_pieces_are_the_values_of_a_column() -> None:
    assert pieces(b"", 16) == []
    assert pieces(frame().id, 16) == [bytes(range(16)), bytes(range(16, 32))]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc0",
        encode(["erasure", "stratus", 1, bytes(32)]),
        encode(["events", "stratus", 1]),
        encode(frame())[:-1],
    ],
)
def test_what_is_no_frame_of_events_is_an_error(payload: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(payload)
