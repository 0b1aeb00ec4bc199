"""How far a log is durable, in eight bytes of memory that its writer and its reader share.

The writer is one process, the reader another (or the same). A reader never goes past the mark, so
it never meets a frame that is half written, or one that an fsync has not brought to the medium.
The file is worth nothing after a restart: `tail.recover` writes it anew.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

FILE = "durable"
_OFFSET_BITS = 40  # a segment may have a terabyte, and a log sixteen million segments
_BYTES = 8


class Watermark:
    """The mark of the log in `folder`: `segment` is written up to `offset` bytes, and every segment
    of a lower number is sealed. Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size < _BYTES:
                # written, not only made long: on a full disk this raises, where the first touch of
                # a hole in mapped memory would end the process with SIGBUS
                os.pwrite(descriptor, bytes(_BYTES), 0)
            # not struct.pack_into: that clears the bytes first, and a reader would see it
            self._mark = memoryview(mmap.mmap(descriptor, _BYTES)).cast("Q")
        finally:
            os.close(descriptor)

    def set(self, segment: int, offset: int) -> None:
        """Move the mark. One store of eight aligned bytes: a reader sees the old or the new one."""
        self._mark[0] = segment << _OFFSET_BITS | offset

    def get(self) -> tuple[int, int]:
        """Return (segment, offset)."""
        mark = self._mark[0]
        return mark >> _OFFSET_BITS, mark & ((1 << _OFFSET_BITS) - 1)
