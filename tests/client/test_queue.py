from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.client import queue

DIGEST = "sha256:" + "ab" * 32


def event(number: int, size: int = 100) -> bytes:
    return f'{{"id":"{number:08}","pad":"{"x" * size}"}}'.encode()


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "state" / "askfirst" / "stratus")


def numbers(folder: str) -> list[int]:
    return [int(line[7:15]) for _, line in queue.waiting(folder)]


def test_events_wait_in_order_and_in_private(folder: str) -> None:
    for number in range(5):
        queue.append(folder, DIGEST, event(number))
    assert numbers(folder) == [0, 1, 2, 3, 4]
    assert queue.waiting(folder)[0] == (DIGEST, event(0))
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert os.stat(os.path.join(folder, "queue")).st_mode & 0o777 == 0o600


def test_taking_moves_everything_once(folder: str) -> None:
    assert not queue.take(folder)
    queue.append(folder, DIGEST, event(1))
    assert queue.take(folder)
    assert queue.lines(os.path.join(folder, "sending"))[0] == [(DIGEST, event(1))]
    queue.append(folder, DIGEST, event(2))
    assert numbers(folder) == [1, 2]
    os.unlink(os.path.join(folder, "sending"))
    assert queue.take(folder)
    os.unlink(os.path.join(folder, "sending"))
    assert not queue.take(folder)


def test_an_event_is_kept_while_somebody_holds_the_lock(folder: str) -> None:
    """A stopped process with the lock must not make the host wait, nor cost the event."""
    import fcntl

    queue.append(folder, DIGEST, event(1))
    with open(os.path.join(folder, "queue"), "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        queue.append(folder, DIGEST, event(2))
    assert numbers(folder) == [1, 2]
    taken = []
    while queue.take(folder):
        taken += [line for _, line in queue.lines(os.path.join(folder, "sending"))[0]]
        os.unlink(os.path.join(folder, "sending"))
    assert taken == [event(1), event(2)]


def test_an_event_is_kept_where_there_are_no_locks(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def none(fd: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    os.makedirs(folder)
    monkeypatch.setattr(fcntl, "flock", none)
    monkeypatch.setattr(queue, "PATIENCE", 0)
    queue.append(folder, DIGEST, event(1))
    queue.append(folder, DIGEST, event(2))
    assert sorted(numbers(folder)) == [1, 2]


def test_a_full_queue_gives_up_its_older_half_and_counts_it(folder: str) -> None:
    for number in range(300):
        queue.append(folder, DIGEST, event(number, 10_000))
    kept = numbers(folder)
    assert kept == list(range(300 - len(kept), 300))
    assert queue.lost(folder) == 300 - len(kept) > 0
    size = os.stat(os.path.join(folder, "queue")).st_size
    assert size <= queue.MOST_BYTES + 11_000


def test_a_full_disk_leaves_no_torn_line(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    queue.append(folder, DIGEST, event(1))
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:50]))
    with pytest.raises(OSError, match="could not be written"):
        queue.append(folder, DIGEST, event(2))
    monkeypatch.undo()
    queue.append(folder, DIGEST, event(3))
    assert numbers(folder) == [1, 3]


def test_purging_leaves_nothing(folder: str) -> None:
    queue.append(folder, DIGEST, event(1))
    queue.add_lost(folder, 3)
    queue.purge(folder)
    assert not os.path.exists(os.path.dirname(folder))
    queue.purge(folder)


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200
)
@given(count=st.integers(1, 5), cut=st.integers(0, 2000), after=st.integers(0, 2))
def test_the_queue_survives_any_cut(tmp_path: Path, count: int, cut: int, after: int) -> None:
    """Cut anywhere, only the event that was cut is lost; what is appended later is whole."""
    folder = str(tmp_path / "cut")
    queue.purge(folder)
    for number in range(count):
        queue.append(folder, DIGEST, event(number))
    path = os.path.join(folder, "queue")
    size = os.stat(path).st_size
    os.truncate(path, min(cut, size))
    whole = min(cut, size) // (size // count)
    for number in range(after):
        queue.append(folder, DIGEST, event(100 + number))
    expected = [*range(whole), *range(100, 100 + after)]
    found = numbers(folder)
    # a line that lost only its line feed is whole
    assert found in (expected, [*range(whole + 1), *range(100, 100 + after)])


@settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200
)
@given(garbage=st.binary(max_size=300))
def test_garbage_never_becomes_an_event(tmp_path: Path, garbage: bytes) -> None:
    folder = str(tmp_path / "garbage")
    queue.purge(folder)
    queue.append(folder, DIGEST, event(1))
    with open(os.path.join(folder, "queue"), "ab") as file:
        file.write(garbage)
    queue.append(folder, DIGEST, event(2))
    assert numbers(folder) == [1, 2]


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from askfirst.client import queue
for number in range(int(sys.argv[3]), int(sys.argv[3]) + 500):
    queue.append(sys.argv[2], "sha256:" + "ab" * 32, b'{"id":"%08d"}' % number)
"""


def test_nothing_is_lost_between_writers_and_a_taker(folder: str) -> None:
    src = str(Path(queue.__file__).parents[2])
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, src, folder, str(n * 500)])
        for n in range(4)
    ]
    taken: list[bytes] = []
    running = True
    while running:
        running = any(process.poll() is None for process in processes)
        while queue.take(folder):
            rows, torn = queue.lines(os.path.join(folder, "sending"))
            assert torn == 0
            taken += [line for _, line in rows]
            os.unlink(os.path.join(folder, "sending"))
    assert [process.returncode for process in processes] == [0] * 4
    assert len(taken) == len(set(taken)) == 2000
