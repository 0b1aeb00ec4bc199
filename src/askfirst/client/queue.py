"""Events that wait to be sent: one append-only file, taken by rename under the same lock.

A line is the contract's digest, a space and the event's JSON, so that a batch can say under which
contract its events were formed. Each line begins and ends with a line feed: what a power cut leaves
of one line never swallows the next.
"""

import os

from askfirst.client.lock import try_lock, wait_lock

QUEUE = "queue"
SENDING = "sending"
MOST_BYTES = 1_000_000  # about 3,000 events; past it the oldest half goes, and is counted
PATIENCE = 0.02  # seconds; the lock is held for microseconds, unless its holder was stopped

_OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


def append(folder: str, digest: str, event: bytes) -> None:
    """Put one event in the queue. Raises OSError if it cannot be kept."""
    line = as_line((digest, event))
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
            append(folder, digest, event)
        elif os.write(fd, line) != len(line):  # the disk is full: leave no torn line
            os.ftruncate(fd, size)
            raise OSError("the queue could not be written")
    finally:
        if fd >= 0:
            os.close(fd)


def as_line(row: "tuple[str, bytes]") -> bytes:
    """Return the line of a (digest, event) in a queue file."""
    return b"\n" + row[0].encode("ascii") + b" " + row[1] + b"\n"


def take(folder: str) -> bool:
    """Move what waits to `sending`, which must not exist; False if nothing waits."""
    path = os.path.join(folder, QUEUE)
    sending = os.path.join(folder, SENDING)
    if os.path.exists(path):
        fd = _open_linked(path, folder, patience=5.0)
        if fd >= 0:
            try:
                os.rename(path, sending)
            finally:
                os.close(fd)
            return True
    for name in _alone(folder):
        os.rename(os.path.join(folder, name), sending)
        return True
    return False


def lines(path: str) -> "tuple[list[tuple[str, bytes]], int]":
    """Return ((digest, event) for each whole line, how many lines were torn) of a file."""
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
    names = (SENDING, QUEUE, *_alone(folder))
    return [row for name in names for row in lines(os.path.join(folder, name))[0]]


def lost(folder: str) -> int:
    """Return how many events were given up: too many, too old, or torn by a crash."""
    try:
        with open(os.path.join(folder, "lost"), encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def add_lost(folder: str, count: int) -> None:
    """Count events that were given up."""
    count += lost(folder)
    with open(os.path.join(folder, "lost"), "w", encoding="ascii") as file:
        file.write(str(count))


def purge(folder: str) -> None:
    """Delete the folder and all that is in it."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            os.unlink(os.path.join(folder, name))
        except OSError:
            pass
    for path in (folder, os.path.dirname(folder)):
        try:
            os.rmdir(path)
        except OSError:
            return


def _open_linked(path: str, folder: str, patience: float = PATIENCE) -> int:
    """Open and lock the queue; -1 if it cannot be locked.

    Looks again after locking: a sender may have renamed the file in between, and what is written to
    it then would never be read (207 of 24,000 lines were lost that way before).
    """
    while True:
        try:
            fd = os.open(path, _OPEN, 0o600)
        except FileNotFoundError:
            os.makedirs(folder, mode=0o700)
            fd = os.open(path, _OPEN, 0o600)
        if not try_lock(fd) and not wait_lock(fd, patience):
            os.close(fd)
            return -1
        mine = os.fstat(fd)
        try:
            linked = os.stat(path)
        except FileNotFoundError:
            os.close(fd)
            continue
        if (mine.st_ino, mine.st_dev) == (linked.st_ino, linked.st_dev):
            return fd
        os.close(fd)


def _append_alone(folder: str, line: bytes) -> None:
    """Keep one event in a file of its own, where the queue cannot be locked."""
    name = f"{QUEUE}.{os.getpid()}-{os.urandom(4).hex()}"
    temporary = os.path.join(folder, "." + name)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        whole = os.write(fd, line) == len(line)
    finally:
        os.close(fd)
    if not whole:
        os.unlink(temporary)
        raise OSError("the queue could not be written")
    os.rename(temporary, os.path.join(folder, name))


def _alone(folder: str) -> "list[str]":
    try:
        return sorted(name for name in os.listdir(folder) if name.startswith(QUEUE + "."))
    except OSError:
        return []


def _forget_oldest(folder: str) -> None:
    """Replace a full queue by its newer half, while its lock is held; count what went."""
    path = os.path.join(folder, QUEUE)
    rows, torn = lines(path)
    kept = rows[len(rows) // 2 :]
    temporary = os.path.join(folder, ".queue.tmp")
    with open(temporary, "wb") as file:
        file.writelines(map(as_line, kept))
    add_lost(folder, len(rows) - len(kept) + torn)
    os.replace(temporary, path)
