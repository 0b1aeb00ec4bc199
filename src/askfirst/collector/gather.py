"""Frames of a log, gathered into what one transaction of the store takes."""

from __future__ import annotations

from askfirst.collector.frames import EventsFrame
from askfirst.stores.base import DAY_MS, Counts, Events, Position


class Batch:
    """What goes into one transaction."""

    def __init__(self, position: Position) -> None:
        self.position = position
        self.size = 0
        self.events: dict[str, Events] = {}
        self.counts: Counts = {}

    def add(self, frame: EventsFrame, end: Position) -> None:
        events = self.events.setdefault(frame.tool, Events(frame.tool))
        events.id += frame.id
        events.timestamp += frame.timestamp
        events.received += [frame.received] * len(frame.id)
        events.installation += frame.installation
        events.version += frame.version
        events.command += frame.command
        events.fields += frame.fields
        day = frame.received // DAY_MS
        for kind, count in frame.counts.items():
            key = (frame.tool, day, kind)
            self.counts[key] = self.counts.get(key, 0) + count
        self.size += len(frame.id) or 1  # a frame of counts alone is work too
        self.position = end
