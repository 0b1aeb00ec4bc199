from __future__ import annotations

import errno
import fcntl
import os
import time
from typing import TYPE_CHECKING

import pytest

from askfirst.client import lock
from askfirst.client.lock import hold_folder, try_lock, try_mark, wait_lock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    return tmp_path / "file"


def test_one_holder_at_a_time(path: Path) -> None:
    with path.open("rb") as one, path.open("rb") as other:
        assert try_lock(one.fileno()) is True
        assert try_lock(other.fileno()) is False
        assert wait_lock(other.fileno(), 0.01) is False
        one.close()
        assert wait_lock(other.fileno(), 0) is True


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Is told from a lock that somebody holds, and never waited for."""

    def refuse(_fd: int, _how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with path.open("rb") as file:
        assert try_lock(file.fileno()) is None
        assert wait_lock(file.fileno(), 3600) is None


def test_a_mark_stands_in_for_a_lock(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    assert try_mark(str(mark), 120)
    assert mark.stat().st_mode & 0o777 == 0o600
    assert not try_mark(str(mark), 120)
    mark.unlink()
    assert try_mark(str(mark), 120)


@pytest.mark.parametrize(("age", "taken"), [(119, False), (121, True), (-119, False), (-121, True)])
def test_a_mark_that_was_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: int, taken: bool
) -> None:
    """By age, in either direction: a file server's clock may be ahead."""
    mark = tmp_path / "mark"
    mark.touch()
    now = time.time()
    monkeypatch.setattr(lock.time, "time", lambda: now)
    os.utime(mark, (now - age, now - age))
    assert try_mark(str(mark), 120) is taken
    assert mark.exists()


def test_a_mark_that_is_taken_back_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder ends between two looks: the next look finds none. Twice is often enough."""
    mark = tmp_path / "mark"
    mark.touch()
    stat = os.stat

    def gone(path: str) -> os.stat_result:
        mark.unlink()
        return stat(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", gone)
        assert try_mark(str(mark), 120)

    def back(path: str) -> os.stat_result:
        raise FileNotFoundError(path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", back)
        assert not try_mark(str(mark), 120)


def test_a_folder_is_held_while_a_file_in_it_is_replaced(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    with hold_folder(str(tmp_path)):
        assert try_lock(fd) is False
    assert try_lock(fd) is True
    os.close(fd)
    assert list(tmp_path.iterdir()) == []
