"""Advisory locks on files, for POSIX and Windows, that never make a host program wait for long."""

import os
import sys
import time

PATIENCE = 2.0  # seconds; a folder is held for the length of a write to the disk


def try_lock(fd: int) -> "bool | None":
    """Take the exclusive lock of an open file if nobody has it; released when it is closed.

    None, which is as false, where the file system has no locks.
    """
    if sys.platform == "win32":
        import msvcrt

        try:
            os.lseek(fd, 0x7FFF_0000, os.SEEK_SET)  # past the data: Windows locks are mandatory
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def wait_lock(fd: int, seconds: float) -> "bool | None":
    """Take the lock, trying for at most `seconds`; answers as `try_lock` does."""
    deadline = time.monotonic() + seconds
    while True:
        taken = try_lock(fd)
        if taken is not False or time.monotonic() >= deadline:
            return taken
        time.sleep(0.0005)


def try_mark(path: str, seconds: float) -> bool:
    """Stand in for a lock where there are none: make a file that no other process has made.

    Who makes it deletes it; one older than `seconds` was left by a process that was killed.
    """
    for _ in range(2):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            try:
                # a file server's clock may be ahead of ours
                if abs(time.time() - os.stat(path).st_mtime) < seconds:
                    return False
                os.unlink(path)
            except FileNotFoundError:
                continue
        else:
            return True
    return False


class hold_folder:  # noqa: N801 - used like a function
    """Hold a folder while the file in it is replaced.

    Where folders have no locks (Windows, some network file systems) the later answer wins, whole.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._fd = -1

    def __enter__(self) -> None:
        if sys.platform == "win32":
            return
        self._fd = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        wait_lock(self._fd, PATIENCE)

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
