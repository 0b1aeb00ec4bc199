"""Frames become the columns of one load."""

from __future__ import annotations

import pytest

from askfirst.collector.frames import EventsFrame, pack_moments
from askfirst.collector.gather import Batch
from askfirst.stores.base import DAY_MS, Position

START = Position("log", 0, 0)


def frame(tool: str, size: int, received: int = 5, **more: object) -> EventsFrame:
    fields = {name: column for name, column in more.items() if isinstance(column, list)}
    counts = {name: count for name, count in more.items() if isinstance(count, int)}
    return EventsFrame(
        tool,
        3 * DAY_MS + received,
        b"".join(bytes([n]) * 16 for n in range(size)),
        pack_moments([n - 1 for n in range(size)]),
        b"".join(bytes([n]) * 32 for n in range(size)),
        ["1.0.0"] * size,
        ["start"] * size,
        fields,
        counts,
    )


def test_frames_of_a_tool_are_laid_end_to_end() -> None:
    batch = Batch(START)
    batch.add(frame("a", 2, x=["1", None], y=[None, True], dropped=2))
    batch.add(frame("b", 1))
    batch.add(frame("a", 1, received=6, z=["3"], dropped=1, removed=1))

    events, other = batch.events()
    assert (batch.size, len(events)) == (4, 3)
    assert events.rows_of_fields() == [{"x": "1"}, {"y": True}, {"z": "3"}]
    assert events.ids() == [bytes(16), b"\1" * 16, bytes(16)]
    assert events.installations() == [bytes(32), b"\1" * 32, bytes(32)]
    assert events.timestamp.tolist() == [-1, 0, -1]
    assert [moment - 3 * DAY_MS for moment in events.received] == [5, 5, 6]
    assert (other.tool, other.rows_of_fields()) == ("b", [{}])
    assert batch.counts == {("a", 3, "dropped"): 3, ("a", 3, "removed"): 1}


def test_a_frame_of_counts_alone_is_work_too() -> None:
    batch = Batch(START)
    batch.add(frame("a", 0, dropped=1))

    assert (batch.size, batch.events()) == (1, [])


def test_columns_of_different_length_are_refused() -> None:
    made = frame("a", 2)
    made.command.pop()
    batch = Batch(START)
    batch.add(made)
    with pytest.raises(ValueError, match="length"):
        batch.events()


def test_what_is_equal_is_kept_once() -> None:
    """Of 50,000 events each would have texts of its own else: 20 MB."""
    batch = Batch(START)
    for _ in range(2):
        versions = [str(b"1.0.0", "ascii") for _ in range(2)]
        one = frame("a", 2, x=[str(b"ab", "ascii"), None], y=[True, False])
        one.version = versions
        assert versions[0] is not versions[1]
        batch.add(one)
    [events] = batch.events()
    assert len({id(text) for text in events.version}) == 1
    assert len({id(text) for text in events.fields["x"]}) == 2
    assert events.rows_of_fields() == 2 * [{"x": "ab", "y": True}, {"y": False}]
