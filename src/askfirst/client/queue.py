"""Events that wait to be sent: one append-only file, taken by rename under the same lock.

A line is the contract's digest, a space and the event's JSON, between line feeds: a torn one
never swallows the next.
"""

import os
import stat
import time

from askfirst import read_file
from askfirst.client.folders import discard, make_folder, make_ours, open_own
from askfirst.client.lock import try_lock, wait_lock
from askfirst.usual import MOST_QUEUED as MOST_BYTES
from askfirst.usual import OPEN, QUEUE, as_line

SENDING = "sending"
MOST_ALONE = 3_000  # events in files of their own; as above
LARGEST = 4_000_000  # bytes; no queue of ours gets so large
PATIENCE = 0.02  # seconds; the lock is held for microseconds, unless its holder was stopped

_BUSY, _NO_LOCKS = -1, -2


def append(folder: str, digest: str, event: bytes) -> None:
    """Put one event in the queue. Raises OSError if it cannot be kept, and has counted it then."""
    try:
        _append(folder, as_line(digest, event))
    except OSError:
        add_lost(folder, 1)
        raise


def _append(folder: str, line: bytes) -> None:
    path = os.path.join(folder, QUEUE)
    fd = _open_linked(path, folder)
    if fd < 0:
        _append_alone(folder, line)
        return
    try:
        size = os.fstat(fd).st_size
        if size > MOST_BYTES:
            _forget_oldest(folder)
            os.close(fd)
            fd = -1
            _append(folder, line)
        elif os.write(fd, line) != len(line):  # the disk is full: leave no torn line
            os.ftruncate(fd, size)
            raise OSError("the queue could not be written")
    finally:
        if fd >= 0:
            os.close(fd)


def take(folder: str) -> bool:
    """Move what waits to `sending`, which must not exist; False if nothing waits."""
    path = os.path.join(folder, QUEUE)
    sending = os.path.join(folder, SENDING)
    if os.path.lexists(path):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            discard(path)  # no file of ours
            return take(folder)
        fd = _open_linked(path, folder, patience=5.0)
        if fd >= 0:
            try:
                os.rename(path, sending)
            finally:
                os.close(fd)
            return True
        if fd == _NO_LOCKS and os.stat(path).st_size:  # nobody adds to it without a lock
            os.rename(path, sending)
            return True
    for name in _alone(folder):
        os.rename(os.path.join(folder, name), sending)
        return True
    return False


def lines(path: str) -> "tuple[list[tuple[str, bytes]], int]":
    """Return ((digest, event) for each whole line, how many lines were torn) of a file.

    What is not a file of ours counts as one torn line.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return [], 0
    if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
        return [], 1
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return [], 0
    whole: list[tuple[str, bytes]] = []
    torn = 0
    for line in raw.split(b"\n"):
        if not line:
            continue
        digest, _, event = line.partition(b" ")
        if len(digest) == 71 and event.startswith(b'{"id":"') and event.endswith(b"}"):
            whole.append((digest.decode("ascii", "replace"), event))
        else:
            torn += 1
    return whole, torn


def waiting(folder: str) -> "list[tuple[str, bytes]]":
    """Return everything that is not yet delivered, oldest first."""
    names = (QUEUE, *_alone(folder), SENDING)  # the last gets what a sender moves meanwhile
    *later, first = [lines(os.path.join(folder, name))[0] for name in names]
    return list(dict.fromkeys(row for rows in (first, *later) for row in rows))


def lost(folder: str) -> int:
    """Return how many events were given up: too many, too old, or torn by a crash."""
    raw = read_file(os.path.join(folder, "lost"), 20)
    return int(raw) if raw and raw.isdigit() else 0


def add_lost(folder: str, count: int) -> None:
    """Count events that were given up, if the machine lets us."""
    try:
        fd = open_own(os.path.join(folder, "lost"))
    except OSError:
        return  # nothing can be written here
    try:
        wait_lock(fd, PATIENCE)
        # over the old number, not after emptying the file: a full disk has no room for a new one
        os.write(fd, b"%020d" % (lost(folder) + count))
        os.ftruncate(fd, 20)
    except OSError:
        pass  # as above
    finally:
        os.close(fd)


def purge(folder: str) -> None:
    """Delete the folder and all that is in it."""
    for _ in range(10):  # another process may be adding to it
        try:
            for name in os.listdir(folder):
                discard(os.path.join(folder, name))
            os.rmdir(folder)
            os.rmdir(os.path.dirname(folder))
        except OSError:
            continue


def empty(folder: str) -> None:
    """Delete what waits to be sent, and nothing else."""
    for name in (QUEUE, SENDING, *_alone(folder)):
        discard(os.path.join(folder, name))


def _open_linked(path: str, folder: str, patience: float = PATIENCE) -> int:
    """Open and lock the queue; _BUSY or _NO_LOCKS, which are negative, if that cannot be done.

    Looks again after locking: what is written to a file that a sender has just renamed is lost.
    """
    for _ in range(100):
        try:
            fd = os.open(path, OPEN, 0o600)
        except FileNotFoundError:
            make_folder(folder)
            add_lost(folder, 0)  # what a full disk costs can be counted where there is a number
            continue
        except OSError:
            return _BUSY  # whatever has its name is not ours
        taken = try_lock(fd) or wait_lock(fd, patience)
        mine = os.fstat(fd)
        try:
            linked = os.stat(path)
        except FileNotFoundError:
            os.close(fd)
            continue
        if not taken or not stat.S_ISREG(mine.st_mode):
            os.close(fd)
            return _NO_LOCKS if taken is None else _BUSY
        if (mine.st_ino, mine.st_dev) == (linked.st_ino, linked.st_dev):
            make_ours(path, mine.st_mode)
            return fd
        os.close(fd)
    return _BUSY


def _append_alone(folder: str, line: bytes) -> None:
    """Keep one event in a file of its own."""
    others = _alone(folder)
    if len(others) >= MOST_ALONE:
        for name in others[: MOST_ALONE // 2]:
            discard(os.path.join(folder, name))
        add_lost(folder, MOST_ALONE // 2)
    name = f"{QUEUE}.{time.time_ns():020}-{os.getpid()}-{os.urandom(2).hex()}"
    temporary = os.path.join(folder, "." + name)
    fd = open_own(temporary)
    kept = False
    try:
        if os.write(fd, line) == len(line):
            os.rename(temporary, os.path.join(folder, name))
            kept = True
    finally:
        os.close(fd)
        if not kept:
            discard(temporary)
    if not kept:
        raise OSError("the queue could not be written")


def _alone(folder: str) -> "list[str]":
    try:
        return sorted(name for name in os.listdir(folder) if name.startswith(QUEUE + "."))
    except OSError:
        return []


def _forget_oldest(folder: str) -> None:
    """Replace a full, locked queue by its newer half; count what went."""
    path = os.path.join(folder, QUEUE)
    rows, torn = lines(path)
    kept = rows[(len(rows) + 1) // 2 :]
    temporary = os.path.join(folder, ".queue.tmp")
    try:
        discard(temporary)
        with open(open_own(temporary), "wb") as file:
            file.writelines(as_line(*row) for row in kept)
        os.replace(temporary, path)
    except OSError:  # a full disk
        discard(temporary)
        raise
    add_lost(folder, len(rows) - len(kept) + torn)
