"""The log behind a daily cap: what the log refuses counts for nobody.

A sender who is told to come again brings the same events; if they had been counted, it would be
told in the end that they are too many, and forget them.
"""

from __future__ import annotations

from askfirst.collector.direct import Direct
from askfirst.collector.frames import INSTALLATION_BYTES, decode, pieces
from askfirst.collector.limits import DailyCap
from askfirst.collector.log import Done, Log, LogError


class CappedLog:
    """Takes what `cap` admitted to `log`, and gives back what did not get there."""

    def __init__(self, log: Log | Direct, cap: DailyCap) -> None:
        self._log = log
        self._cap = cap

    def append(self, payload: bytes, done: Done, *, requests: int = 1) -> None:
        """Append a payload, as `log` does."""

        def tell(error: LogError | None) -> None:
            if error is not None:
                self._give_back(payload)
            done(error)

        try:
            self._log.append(payload, tell, requests=requests)
        except LogError:
            self._give_back(payload)
            raise

    async def write(self, payload: bytes) -> None:
        """Append a payload and wait until it is durable, as `log` does."""
        try:
            await self._log.write(payload)
        except LogError:
            self._give_back(payload)
            raise

    def _give_back(self, payload: bytes) -> None:
        frame = decode(payload)
        for installation in pieces(frame.installation, INSTALLATION_BYTES):
            self._cap.give_back(frame.tool, installation, frame.received)
