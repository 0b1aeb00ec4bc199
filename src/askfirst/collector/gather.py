"""Frames of a log, gathered into what one transaction of the store takes."""

from __future__ import annotations

from collections.abc import Sequence

from askfirst.collector.frames import ID_BYTES, INSTALLATION_BYTES, EventsFrame, moments, pieces
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
        fill(events, frame, [frame.received] * len(frame))
        day = frame.received // DAY_MS
        for kind, count in frame.counts.items():
            key = (frame.tool, day, kind)
            self.counts[key] = self.counts.get(key, 0) + count
        self.size += len(frame) or 1  # a frame of counts alone is work too
        self.position = end


def fill(events: Events, frame: EventsFrame, received: Sequence[int]) -> None:
    """Add a frame to the columns that a store takes; `received` is ms UTC, one for each event."""
    events.id += pieces(frame.id, ID_BYTES)
    events.timestamp += moments(frame.timestamp)
    events.received += received
    events.installation += pieces(frame.installation, INSTALLATION_BYTES)
    events.version += frame.version
    events.command += frame.command
    names = list(frame.fields)
    if names:
        for values in zip(*frame.fields.values(), strict=True):
            pairs = zip(names, values, strict=True)
            events.fields.append({name: value for name, value in pairs if value is not None})
    else:
        events.fields += [{}] * len(frame)
