"""The mark between a log's writer and its reader: whole, shared, and not the end of a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from askfirst.collector.watermark import FILE, Watermark
from tests.collector.retrying import Disk, small_disk
from tests.ending import opened

LARGEST = (2**24 - 1, 2**40 - 1)
UNTIL_TOLD = """
import sys, threading
from pathlib import Path
from askfirst.collector.watermark import Watermark
mark, over, number = Watermark(Path(sys.argv[1])), threading.Event(), 0
threading.Thread(target=lambda: (sys.stdin.read(), over.set())).start()
while not over.is_set() and number < 2**24 - 1:
    number += 1
    mark.set(number, number)
print(number)
"""
WRITER = """
import sys
from pathlib import Path
from askfirst.collector.watermark import Watermark
mark = Watermark(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    mark.set(number, number)
"""


@pytest.mark.parametrize("place", [(0, 0), (1, 16), (7, 2**40 - 1), (2**24 - 1, 0), LARGEST])
def test_what_is_set_is_what_is_got(tmp_path: Path, place: tuple[int, int]) -> None:
    mark = Watermark(tmp_path)
    mark.set(*place)
    assert mark.get() == place
    assert Watermark(tmp_path).get() == place


def test_a_new_mark_stands_at_the_beginning(tmp_path: Path) -> None:
    assert Watermark(tmp_path).get() == (0, 0)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_marks_stand_in_the_order_of_the_log(tmp_path: Path) -> None:
    """Later is higher, also past the end of a segment."""
    mark, seen = Watermark(tmp_path), []
    for place in [(1, 16), (1, 2**40 - 1), (2, 0), (2, 16), (300, 5)]:
        mark.set(*place)
        seen.append(mark.get())
    assert seen == sorted(seen)


def test_a_file_cut_short_is_made_whole(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xff")
    mark = Watermark(tmp_path)
    mark.set(3, 4)
    assert Watermark(tmp_path).get() == (3, 4)


def test_a_reader_never_sees_half_a_mark(tmp_path: Path) -> None:
    """Another process writes while this one reads: segment and offset always belong together."""
    mark = Watermark(tmp_path)
    words = [sys.executable, "-c", UNTIL_TOLD, str(tmp_path)]
    last, seen = (0, 0), 0
    with opened(words, stdin=PIPE, stdout=PIPE, text=True) as writer:
        while seen < 1_000 and writer.poll() is None:
            now = mark.get()
            assert now[0] == now[1]
            assert now >= last
            seen += now != last
            last = now
        said, _ = writer.communicate()
    assert writer.returncode == 0
    assert seen > 10
    assert mark.get() == (int(said), int(said))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", "1m") as mounted:
        yield mounted


def test_on_a_full_disk_it_is_an_error_and_not_the_end_of_the_process(disk: Disk) -> None:
    """Memory mapped over a hole that the disk has no room for ends a process with SIGBUS."""
    disk.fill()
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(disk.folder), "1"], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"No space left" in done.stderr
    disk.free()
    mark = Watermark(disk.folder)
    disk.fill()
    mark.set(1, 2)  # once there, it needs no room
    assert mark.get() == (1, 2)
