"""Our files and the folders they are in: making, opening, replacing, deleting."""

import os


def make_folder(path: str) -> None:
    """Make a folder and those above it for this user alone (XDG), whatever the umask is."""
    above = os.path.dirname(path)
    if above != path and not os.path.isdir(above):
        make_folder(above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return
    make_ours(path, os.stat(path).st_mode, 0o700)


def make_ours(path: str, mode: int, wanted: int = 0o600) -> None:
    """Undo what the umask took from the mode of what was just made."""
    if mode & wanted != wanted:
        os.chmod(path, wanted)


def can_write(folder: str) -> bool:
    """Tell whether files can be made in a folder, or in one that can be made here."""
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def put(path: str, raw: bytes) -> None:
    """Make or replace a file of ours that can be done without, if there is room."""
    try:
        replace(path, raw, sync=False)
    except OSError:  # a full disk, or no folder yet
        pass


def replace(path: str, raw: bytes, *, alone: bool = False, sync: bool = True) -> None:
    """Make or replace a file of ours. Raises OSError, and leaves no litter then.

    If `alone`, what a killed process left is written over.
    """
    temporary = f"{path}.tmp" if alone else f"{path}.{os.getpid()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    try:
        with open(os.open(temporary, flags, 0o600), "wb") as file:
            make_ours(temporary, os.fstat(file.fileno()).st_mode)
            file.write(raw)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise


def open_own(path: str) -> int:
    """Open a file of ours for reading and writing; what else has its name is deleted."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    for _ in range(3):
        try:
            fd = os.open(path, flags, 0o600)
        except OSError:
            if not os.path.lexists(path) or _is_file(os.lstat(path)):
                raise
        else:
            found = os.fstat(fd)
            if _is_file(found):
                make_ours(path, found.st_mode)
                return fd
            os.close(fd)
        discard(path)
    raise OSError(f"{path} is in the way")


def discard(path: str) -> None:
    """Delete whatever has this name in our folder."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError:
        import shutil

        shutil.rmtree(path, ignore_errors=True)


def _is_file(found: os.stat_result) -> bool:
    return found.st_mode & 0o170000 == 0o100000  # the module `stat` is not there on a bare one
