"""Files and folders for this user alone."""

from __future__ import annotations

import os
from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make a folder, mode 0700, and whatever is missing above it. Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(path: Path, text: str) -> None:
    """Put ASCII text into a file, mode 0600, all at once, so that it survives a power cut.

    Raises OSError.
    """
    part = write_part(path, text)
    part.replace(path)
    sync_folder(path.parent)


def write_part(path: Path, text: str) -> Path:
    """Write what is to become `path` beside it, and return where."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return part


def sync_folder(folder: Path) -> None:
    """Make names that came or went in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason_of(error: OSError) -> str:
    """Return why something failed, without the names and numbers around it."""
    return error.strerror or str(error)
