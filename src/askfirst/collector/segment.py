"""The file format of the log: a header, then checksummed frames, one behind the other.

A frame is its payload's length, the payload's CRC-32, the CRC-32 of those eight bytes, the payload.
The length has a checksum of its own, because otherwise a damaged length in the middle of a file
would look like a frame that was never finished, and everything behind it would be thrown away.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

from askfirst.collector import private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".log"
SET_ASIDE = ".corrupt"
SET_ASIDE_DAYS = 7  # kept for who looks into it, then gone: no erasure finds anybody in there
MAGIC = b"askflog\x01"  # the last byte is the version of this format
READ_BYTES = 1024 * 1024  # at a time
LONGEST_PAYLOAD = 64 * 1024 * 1024  # bytes; far above what a request can hold
_HEADER = struct.Struct("<8sQ")  # magic, number of the segment
_FRAME = struct.Struct("<III")
_LENGTHS = struct.Struct("<II")
_FULL_SYNC: int | None = getattr(fcntl, "F_FULLFSYNC", None)  # macOS
HEADER_BYTES = _HEADER.size
FRAME_BYTES = _FRAME.size


class CorruptError(Exception):
    """Bytes that are no frame, and no frame that merely was not finished either."""

    def __init__(self, path: Path, offset: int) -> None:
        self.path = path
        self.offset = offset
        super().__init__(f"{path} is damaged at byte {offset}")


class TornError(Exception):
    """The file ends inside a frame: the machine stopped before anybody was told it was kept."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__(f"a frame that begins at byte {offset} is not finished")


@dataclass(frozen=True, slots=True)
class State:
    """What a segment's file holds: whole frames up to `end` (bytes), then nothing, a torn frame, or
    damage.
    """

    end: int
    torn: bool = False
    corrupt: bool = False


def file_name(number: int) -> str:
    """Return the name of a segment's file; names sort as numbers do."""
    return f"{number:016d}{SUFFIX}"


def number_of(name: str) -> int | None:
    """Return the number of the segment that a file belongs or belonged to, or None."""
    digits, _, rest = name.partition(".")
    if len(digits) != 16 or not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) if f".{rest}".startswith(SUFFIX) else None


def header(number: int) -> bytes:
    """Return the first bytes of a segment."""
    return _HEADER.pack(MAGIC, number)


def frame(payload: bytes) -> bytes:
    """Return a payload as a frame."""
    if not 0 < len(payload) <= LONGEST_PAYLOAD:
        raise ValueError(f"a frame holds 1 to {LONGEST_PAYLOAD} bytes, not {len(payload)}")
    head = _LENGTHS.pack(len(payload), crc32(payload))
    return head + crc32(head).to_bytes(4, "little") + payload


def frames(path: Path, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset behind the frame, payload) for the frames from `start` to `end` (bytes).

    `start` is 0 or the end of a frame. Raises TornError or CorruptError where they stop.
    """
    with path.open("rb") as file:
        if start < HEADER_BYTES:
            _check_header(file.read(min(end, HEADER_BYTES)), path)
            start = HEADER_BYTES
        file.seek(start)
        offset, data, at = start, b"", 0  # `data[at]` is the byte at `offset`
        while offset < end:
            if len(data) - at < FRAME_BYTES:
                data, at = data[at:] + file.read(READ_BYTES), 0
            behind = at + FRAME_BYTES
            if len(data) < behind or offset + FRAME_BYTES > end:
                raise TornError(offset)
            length, checksum, head_checksum = _FRAME.unpack_from(data, at)
            if crc32(data[at : at + 8]) != head_checksum:
                if _is_blank(data[at:]) and all(map(_is_blank, iter(file.read1, b""))):
                    raise TornError(offset)  # the file had grown, its last pages never came
                raise CorruptError(path, offset)
            if offset + FRAME_BYTES + length > end:
                raise TornError(offset)
            if len(data) < behind + length:
                data, at = data[at:] + file.read(max(length, READ_BYTES)), 0
                behind = FRAME_BYTES
            payload = data[behind : behind + length]
            if len(payload) < length or crc32(payload) != checksum:
                raise CorruptError(path, offset)
            at = behind + length
            offset += FRAME_BYTES + length
            yield offset, payload


def inspect(path: Path, start: int) -> State:
    """Read all of a segment's frames from `start` (bytes) and say what state the file is in."""
    end = max(start, HEADER_BYTES)
    try:
        for offset, _ in frames(path, start, path.stat().st_size):
            end = offset
    except TornError as error:
        return State(error.offset, torn=True)
    except CorruptError as error:
        return State(error.offset, corrupt=True)
    return State(end)


def sync(descriptor: int) -> None:
    """Bring a file to the medium, past the drive's own cache where the system can ask for that."""
    if _FULL_SYNC is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, _FULL_SYNC)


def set_aside(path: Path, good: int) -> Path:
    """Rename a damaged segment to `*.corrupt`; keep its first `good` bytes under the old name.

    Return the new name. The first bytes passed their checksums and were acknowledged.
    """
    aside = _free_name(path)
    if good <= HEADER_BYTES:
        path.rename(aside)
        private.sync_folder(path.parent)
        return aside
    kept = path.with_suffix(".part")
    descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with path.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        target.write(source.read(good))
        target.flush()
        sync(target.fileno())
    os.link(path, aside)  # two names for a moment, so that a crash here loses neither part
    kept.replace(path)
    private.sync_folder(path.parent)
    return aside


def blank(aside: Path, end: int) -> None:
    """Overwrite what was set aside, between its header and `end` (bytes), which is elsewhere too.

    In place, so that no full disk stands against it. Raises OSError.
    """
    with aside.open("r+b") as file:
        file.seek(HEADER_BYTES)
        while (left := end - file.tell()) > 0:
            file.write(bytes(min(left, READ_BYTES)))
        file.flush()
        sync(file.fileno())
    os.utime(aside)  # its days begin now, whenever it was written


def drop_set_aside(folder: Path, before: int | None = None) -> int:
    """Delete what was set aside in a folder and those in it; return how many files that were.

    With `before` (ms UTC), only what was written to for the last time before then. Raises OSError.
    """
    dropped = 0
    for path in folder.rglob(f"*{SET_ASIDE}"):
        with suppress(FileNotFoundError):  # somebody else dropped it
            if before is None or path.stat().st_mtime * 1000 < before:
                path.unlink()
                dropped += 1
    return dropped


def _free_name(path: Path) -> Path:
    aside = path.with_name(path.name + SET_ASIDE)
    count = 1
    while aside.exists():
        count += 1
        aside = path.with_name(f"{path.name}.{count}{SET_ASIDE}")
    return aside


def _check_header(head: bytes, path: Path) -> None:
    if len(head) < HEADER_BYTES or (_is_blank(head) and path.stat().st_size == HEADER_BYTES):
        raise TornError(0)
    magic, number = _HEADER.unpack(head)
    if magic != MAGIC or number != number_of(path.name):
        raise CorruptError(path, 0)


def _is_blank(data: bytes) -> bool:
    return data.count(0) == len(data)
