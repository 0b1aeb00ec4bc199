"""Heads of requests that have been read before, so that the next one like it need not be.

The programs of a tool send the same head again and again, but for the length of the body. What the
parser made of one holds for every other that differs in these digits alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from askfirst.collector.ingest import Take
from askfirst.collector.metrics import Cell
from askfirst.collector.singles import Singles

LONGEST = 1024  # bytes of a head that is remembered
MOST = 1024  # heads that are remembered; then it begins anew
# Only heads of these are remembered: no other can name a client or change what the others mean.
PLAIN = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"host",
        b"user-agent",
    )
)
_END = b"\r\n\r\n"
_LENGTH = b"\r\nContent-Length: "
_LENGTH_TOO = b"\r\ncontent-length: "
_MOST_DIGITS = 7


@dataclass(frozen=True, slots=True)
class Way:
    """A way in for events: its path, what checks a body, how many it has taken, and where single
    events meet others, if they may.
    """

    path: str
    take: Take
    taken: Cell
    singles: Singles | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """What a head comes to; `most_bytes` a body may have, `encoding` is b"" for a plain one."""

    way: Way
    encoding: bytes
    most_bytes: int
    keep_alive: bool


class Heads:
    """The heads that are remembered."""

    def __init__(self) -> None:
        self._known: dict[bytes, Head] = {}

    def find(self, data: bytes) -> tuple[Head, int, int] | None:
        """Return what a known head comes to, where the body begins, and how long it is.

        `data` is what came first on a connection or after the last request. None: let it be parsed.
        """
        end = data.find(_END, 0, LONGEST)
        if end < 0:
            return None
        at = data.find(_LENGTH, 0, end)
        if at < 0:
            at = data.find(_LENGTH_TOO, 0, end)
            if at < 0:
                return None
        first = at + len(_LENGTH)
        last = data.find(b"\r", first)
        digits = data[first:last]
        head = self._known.get(data[:first] + data[last:end])
        if head is None or not digits.isdigit() or len(digits) > _MOST_DIGITS:
            return None
        length = int(digits)
        return (head, end + len(_END), length) if length <= head.most_bytes else None

    def learn(self, text: bytes, names: Sequence[bytes], length: bytes, head: Head) -> None:
        """Remember a head that has been parsed, if it is one of those that can be.

        `text` goes up to the empty line (b"" if that came later), `names` are of its headers in
        lower case, `length` is what it says of the body's.
        """
        if len(text) > LONGEST - len(_END) or not PLAIN.issuperset(names):
            return
        for mark in (_LENGTH, _LENGTH_TOO):
            before, found, rest = text.partition(mark)
            if found:
                digits, _, _ = rest.partition(b"\r")
                if names.count(b"content-length") == 1 and digits == length and digits.isdigit():
                    if len(self._known) >= MOST:
                        self._known.clear()
                    self._known[before + mark + rest[len(digits) :]] = head
                return
