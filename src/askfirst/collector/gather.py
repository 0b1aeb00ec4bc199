"""Frames of the log -> what goes into one transaction of the store."""

from __future__ import annotations

import sys
from array import array

from askfirst.collector.frames import EventsFrame
from askfirst.stores.base import DAY_MS, Counts, Events, Position


class Batch:
    """Events and counts up to a position of the log, gathered by tool."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.size = 0
        self.events: dict[str, Events] = {}
        self.counts: Counts = {}

    def add(self, frame: EventsFrame, end: Position) -> None:
        """Take a frame that ends at `end`. Raises ValueError if its columns differ in length."""
        events = columns(
            frame.tool,
            frame.received,
            frame.id,
            frame.timestamp,
            frame.installation,
            frame.version,
            frame.command,
            frame.fields,
        )
        if len(events):
            self.events.setdefault(frame.tool, Events(frame.tool)).extend(events)
        day = frame.received // DAY_MS
        for kind, count in frame.counts.items():
            key = (frame.tool, day, kind)
            self.counts[key] = self.counts.get(key, 0) + count
        self.size += len(events) or 1  # a frame of counts alone is work too
        self.position = end


def columns(
    tool: str,
    received: int,
    ids: bytes,
    timestamp: bytes,
    installation: bytes,
    version: list[str],
    command: list[str],
    fields: dict[str, list[str | bool | None]],
) -> Events:
    """Return the columns of a frame as events: `timestamp` is little-endian, 8 bytes each, ms UTC;
    all arrived at `received` (ms UTC).
    """
    moments = array("q", timestamp)
    if sys.byteorder == "big":
        moments.byteswap()
    return Events(
        tool,
        bytearray(ids),
        moments,
        array("q", [received]) * len(moments),
        bytearray(installation),
        version,
        command,
        fields,
    )
