"""Frames of a log -> what goes into one transaction of the store."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence

from askfirst.collector.frames import EventsFrame
from askfirst.stores.base import DAY_MS, Counts, Events, Position


class Batch:
    """Events and counts up to a position of the log, gathered by tool."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.size = 0
        self.counts: Counts = {}
        self._frames: dict[str, list[EventsFrame]] = {}

    def add(self, frame: EventsFrame, end: Position) -> None:
        """Take a frame that ends at `end`."""
        size = len(frame)
        if size:
            self._frames.setdefault(frame.tool, []).append(frame)
        if frame.counts:
            day = frame.received // DAY_MS
            for kind, count in frame.counts.items():
                key = (frame.tool, day, kind)
                self.counts[key] = self.counts.get(key, 0) + count
        self.size += size or 1  # a frame of counts alone is work too
        self.position = end

    def events(self) -> list[Events]:
        """Return the events of each tool. Raises ValueError if columns of a frame do not fit."""
        return [end_to_end(tool, frames) for tool, frames in self._frames.items()]


def end_to_end(tool: str, frames: Sequence[EventsFrame]) -> Events:
    """Lay the columns of frames end to end: most frames hold one event, and there are thousands."""
    events = Events(
        tool,
        bytearray(b"".join([frame.id for frame in frames])),
        _moments(frames),
        array("q", [frame.received for frame in frames for _ in frame.version]),
        bytearray(b"".join([frame.installation for frame in frames])),
        [version for frame in frames for version in frame.version],
        [command for frame in frames for command in frame.command],
    )
    for name in dict.fromkeys(name for frame in frames for name in frame.fields):
        column: list[str | bool | None] = []
        for frame in frames:
            column += frame.fields.get(name) or [None] * len(frame.version)
        events.fields[name] = column
    events.check()
    return events


def _moments(frames: Sequence[EventsFrame]) -> array[int]:
    moments = array("q", b"".join([frame.timestamp for frame in frames]))
    if sys.byteorder == "big":
        moments.byteswap()
    return moments
