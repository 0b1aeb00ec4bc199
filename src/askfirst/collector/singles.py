"""Requests of one event each that come at the same moment: they share a frame of the log.

Most requests bring one event, and most of what one costs is the same for one as for hundreds: the
checks, the frame, its way to the medium, and the loader's work behind. What arrives while the loop
looks once at all its sockets is taken together; nobody waits for company here.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from askfirst.collector.compiled import MOST_EVENTS
from askfirst.collector.frames import encode
from askfirst.collector.ingest import Taken, tool_of
from askfirst.collector.log import LogError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from askfirst.collector.connection import Connection
    from askfirst.collector.door import Door
    from askfirst.collector.pipeline import Terms

LONGEST = 2048  # bytes of a body that may be one; an event has some 350
_ONCE = b'"installationId"'  # in every event

Row: TypeAlias = "tuple[Connection, bytes, Any]"  # who asks, the body, the decoded event


class Singles:
    """The requests of one event that wait for the end of this turn of the loop."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._groups: dict[Terms, list[Row]] = {}

    def add(self, body: bytes, connection: Connection) -> bool:
        """Take a request that holds one event as the client forms it; False if it is none.

        Later `connection` is told by `logged`, or by `check_alone` that the event has to be looked
        at by itself after all.
        """
        if len(body) > LONGEST or body.count(_ONCE) != 1 or self._door.asks_of_each:
            return False
        terms = self._door.terms.get(tool_of(body))
        event = terms.compiled.single(body) if terms else None
        if terms is None or event is None:
            return False
        rows = self._groups.get(terms)
        if rows is None or len(rows) >= MOST_EVENTS:
            rows = self._groups[terms] = []
            asyncio.get_running_loop().call_soon(self._flush, terms, rows)
        rows.append((connection, body, event))
        return True

    def _flush(self, terms: Terms, rows: list[Row]) -> None:
        if self._groups.get(terms) is rows:
            del self._groups[terms]
        try:
            together = self._append(terms, rows)
        except Exception:
            _look_alone(rows)
            raise  # asyncio's handler writes it down for the operator
        if not together:  # one of them is not fine, and none is to pay for another
            _look_alone(rows)

    def _append(self, terms: Terms, rows: Sequence[Row]) -> bool:
        frame = terms.compiled.frame([event for _, _, event in rows], self._door.now())
        if frame is None:
            return False
        taken = Taken(b"", terms.contract.name, 1, [], {})
        done = partial(_tell, [connection for connection, _, _ in rows], taken)
        try:
            self._door.log.append(encode(frame), done, requests=len(rows))
        except LogError as error:
            done(error)
        return True


def _look_alone(rows: Sequence[Row]) -> None:
    loop = asyncio.get_running_loop()
    for connection, body, _ in rows:
        loop.call_soon(connection.check_alone, body)


def _tell(connections: Sequence[Connection], taken: Taken, error: LogError | None) -> None:
    for connection in connections:
        connection.logged(taken, error)
