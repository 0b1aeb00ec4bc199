"""Frames become the columns of one load."""

from __future__ import annotations

import pytest

from askfirst.collector.frames import EventsFrame
from askfirst.collector.gather import Batch, columns
from askfirst.stores.base import DAY_MS, Position

START, ONE, TWO = Position("log", 0, 0), Position("log", 0, 10), Position("log", 1, 0)


def frame(tool: str, *fields: dict[str, str | bool], **counts: int) -> EventsFrame:
    size = len(fields)
    return EventsFrame(
        tool, 3 * DAY_MS + 5, [bytes([n]) * 16 for n in range(size)], list(range(size)),
        [bytes([n]) * 32 for n in range(size)], ["1.0.0"] * size, ["start"] * size, list(fields),
        counts,
    )  # fmt: skip


def test_frames_of_a_tool_are_laid_end_to_end() -> None:
    batch = Batch(START)
    batch.add(frame("a", {"x": "1"}, {"y": True}, dropped=2), ONE)
    batch.add(frame("b", {}), ONE)
    batch.add(frame("a", {"z": "3"}, dropped=1, removed=1), TWO)

    events = batch.events["a"]
    assert (batch.size, batch.position, len(events)) == (4, TWO, 3)
    assert events.rows_of_fields() == [{"x": "1"}, {"y": True}, {"z": "3"}]
    assert events.ids() == [bytes(16), b"\1" * 16, bytes(16)]
    assert events.timestamp.tolist() == [0, 1, 0]
    assert set(events.received) == {3 * DAY_MS + 5}
    assert batch.events["b"].rows_of_fields() == [{}]
    assert batch.counts == {("a", 3, "dropped"): 3, ("a", 3, "removed"): 1}


def test_a_frame_of_counts_alone_is_work_too() -> None:
    batch = Batch(START)
    batch.add(frame("a", dropped=1), ONE)

    assert (batch.size, batch.events) == (1, {})


def test_a_frame_of_columns_is_taken_as_it_is() -> None:
    moments = b"".join(n.to_bytes(8, "little", signed=True) for n in (-1, 1 << 40))
    events = columns(
        "a", 9, bytes(32), moments, bytes(64), ["1", "2"], ["x", "y"], {"f": [None, True]}
    )

    events.check()
    assert events.timestamp.tolist() == [-1, 1 << 40]
    assert events.received.tolist() == [9, 9]
    assert events.rows_of_fields() == [{}, {"f": True}]


def test_columns_of_different_length_are_refused() -> None:
    made = frame("a", {}, {})
    made.version.pop()
    with pytest.raises(ValueError, match="length"):
        Batch(START).add(made, ONE)
