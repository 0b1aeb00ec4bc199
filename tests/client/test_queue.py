from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.client import folders, queue

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


def test_what_is_taken_meanwhile_is_not_overlooked(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender renames the queue between two looks of who asks what waits: before any of them."""
    lines = queue.lines
    for moment in range(2):
        queue.append(folder, DIGEST, event(1))
        queue.append(folder, DIGEST, event(2))
        looks: list[str] = []

        def look(path: str) -> tuple[list[tuple[str, bytes]], int]:
            if len(looks) == moment:  # noqa: B023 - called within the turn
                assert queue.take(folder)
            looks.append(path)  # noqa: B023
            return lines(path)

        monkeypatch.setattr(queue, "lines", look)
        assert numbers(folder) == [1, 2]
        monkeypatch.setattr(queue, "lines", lines)
        queue.empty(folder)


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


# -- what is in the way, and disks that are full ------------------------------------------------


def full(*_args: object, **_how: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_a_queue_that_is_something_else_is_deleted_by_the_taker(folder: str, kind: str) -> None:
    os.makedirs(folder)
    in_the_way(os.path.join(folder, "queue"), kind)
    queue.append(folder, DIGEST, event(1))
    assert queue.take(folder)
    assert numbers(folder) == [1], "it was kept beside it"
    assert os.listdir(folder) == ["sending"] or not os.path.lexists(os.path.join(folder, "queue"))


def in_the_way(path: str, kind: str) -> None:
    if kind == "folder":
        os.makedirs(os.path.join(path, "deep"))
    elif kind == "link":
        os.symlink("nowhere", path)
    else:
        os.mkfifo(path)


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_what_has_the_name_of_a_file_of_ours_is_deleted(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "lost")
    in_the_way(path, kind)
    queue.add_lost(str(tmp_path), 2)
    assert queue.lost(str(tmp_path)) == 2
    assert os.path.isfile(path)
    assert not os.path.islink(path)


def test_what_cannot_be_deleted_is_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "lost")
    in_the_way(path, "folder")
    monkeypatch.setattr(folders, "discard", lambda _path: None)
    with pytest.raises(OSError, match="is in the way"):
        folders.open_own(path)
    queue.add_lost(str(tmp_path), 2)  # an event must not be the price of a number


def test_a_folder_that_is_not_there_cannot_be_counted_in(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        folders.open_own(str(tmp_path / "none" / "lost"))
    queue.add_lost(str(tmp_path / "none"), 1)
    assert queue.lost(str(tmp_path / "none")) == 0


def test_a_number_for_which_there_is_no_room_stays(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.makedirs(folder)
    queue.add_lost(folder, 3)
    monkeypatch.setattr(os, "write", full)
    queue.add_lost(folder, 1)
    assert queue.lost(folder) == 3


@pytest.mark.parametrize("kind", ["folder", "fifo", "large"])
def test_a_file_that_is_none_of_ours_is_one_torn_line(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "sending")
    if kind == "large":
        with open(path, "wb") as file:
            file.truncate(queue.LARGEST + 1)
    else:
        in_the_way(path, kind)
    assert queue.lines(path) == ([], 1)
    assert queue.lines(str(tmp_path / "none")) == ([], 0)


def test_a_file_that_a_sender_deletes_meanwhile_is_empty(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.append(folder, DIGEST, event(1))
    path = os.path.join(folder, "queue")
    found = os.lstat(path)
    os.unlink(path)
    monkeypatch.setattr(os, "lstat", lambda _path: found)
    assert queue.lines(path) == ([], 0)


def test_a_queue_that_is_renamed_again_and_again_is_busy(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event then has a file of its own."""
    queue.append(folder, DIGEST, event(1))
    path = os.path.join(folder, "queue")
    other = os.stat(folder)
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda name: other if name == path else stat(name))
    queue.append(folder, DIGEST, event(2))
    monkeypatch.undo()
    assert numbers(folder) == [1, 2]
    assert len(queue._alone(folder)) == 1


def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def none(fd: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", none)


def test_what_waited_before_the_locks_went_is_taken(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.append(folder, DIGEST, event(1))
    without_locks(monkeypatch)
    assert queue.take(folder)
    assert numbers(folder) == [1]


def test_files_of_their_own_have_a_bound(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch)
    monkeypatch.setattr(queue, "MOST_ALONE", 4)
    for number in range(5):
        queue.append(folder, DIGEST, event(number))
    assert numbers(folder) == [2, 3, 4]
    assert queue.lost(folder) == 2


@pytest.mark.parametrize("how", ["nothing", "half"])
def test_a_full_disk_without_locks_leaves_nothing(
    folder: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    without_locks(monkeypatch)
    os.makedirs(folder)
    write = os.write

    def fails(fd: int, data: bytes) -> int:
        if data.startswith(b"\n"):
            return write(fd, data[:50]) if how == "half" else full()
        return write(fd, data)

    monkeypatch.setattr(os, "write", fails)
    with pytest.raises(OSError, match=r"could not be written|No space"):
        queue.append(folder, DIGEST, event(1))
    assert queue.lost(folder) == 1
    assert sorted(os.listdir(folder)) == ["lost", "queue"]


def test_a_full_queue_on_a_full_disk_loses_the_new_event_only(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "MOST_BYTES", 1_000)
    for number in range(3):
        queue.append(folder, DIGEST, event(number, 400))
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        queue.append(folder, DIGEST, event(3, 400))
    monkeypatch.undo()
    assert numbers(folder) == [0, 1, 2]
    assert queue.lost(folder) == 1
    assert sorted(os.listdir(folder)) == ["lost", "queue"]
