"""Frames of a log -> what goes into one transaction of the store."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from typing import Any

from askfirst.collector.frames import EventsFrame
from askfirst.stores.base import DAY_MS, Counts, Events, Position


class Batch:
    """Events and counts up to a position of the log, gathered by tool.

    A frame is laid behind the columns at once and forgotten: most hold one event, and there are
    tens of thousands.
    """

    def __init__(self, position: Position) -> None:
        self.position = position
        self.size = 0
        self.counts: Counts = {}
        self._columns: dict[str, _Columns] = {}

    def add(self, frame: EventsFrame) -> None:
        """Take a frame; whoever reads them says in `position` where the last one ends."""
        size = len(frame.version)
        if size:
            columns = self._columns.get(frame.tool)
            if columns is None:
                columns = self._columns[frame.tool] = _Columns(frame.tool)
            columns.add(frame, size)
        if frame.counts:
            day = frame.received // DAY_MS
            for kind, count in frame.counts.items():
                key = (frame.tool, day, kind)
                self.counts[key] = self.counts.get(key, 0) + count
        self.size += size or 1  # a frame of counts alone is work too

    def events(self) -> list[Events]:
        """Return the events of each tool. Raises ValueError if columns of a frame do not fit."""
        return [columns.events() for columns in self._columns.values()]


class _Once(dict[str | bool | None, str | bool | None]):
    """Gives for a value the first one that was equal.

    Decoding makes each text anew, up to a hundred bytes for each event and field, though there are
    few different ones; and what is the same object is compared at once.
    """

    def __missing__(self, value: str | bool | None) -> str | bool | None:
        self[value] = value
        return value


class _Columns:
    """The events of one tool, so far."""

    def __init__(self, tool: str) -> None:
        self._events = Events(tool)
        self._moments = bytearray()
        self._version: list[str] = []
        self._command: list[str] = []
        self._fields: dict[str, list[str | bool | None]] = {}
        self._once: Callable[[Any], Any] = _Once().__getitem__

    def add(self, frame: EventsFrame, size: int) -> None:
        events, before = self._events, len(self._version)
        events.id += frame.id
        self._moments += frame.timestamp
        events.received.extend([frame.received] * size)
        events.installation += frame.installation
        self._version += map(self._once, frame.version)
        self._command += map(self._once, frame.command)
        for name, values in frame.fields.items():
            column = self._fields.setdefault(name, [])
            if len(column) < before:
                column += [None] * (before - len(column))
            column += map(self._once, values)

    def events(self) -> Events:
        events, size = self._events, len(self._version)
        events.timestamp = array("q", bytes(self._moments))
        if sys.byteorder == "big":
            events.timestamp.byteswap()
        for column in self._fields.values():
            column.extend([None] * (size - len(column)))
        events.version, events.command = self._version, self._command
        events.fields = {**self._fields}
        events.check()
        return events
