"""What a process does without to be small."""

from __future__ import annotations

import ctypes
import sys
from importlib.machinery import ModuleSpec

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_TRIM_BYTES, _MMAP_BYTES = 1024 * 1024, 256 * 1024


class _Without:
    """Makes a module look as if it were not installed."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        if name == self._name:
            raise ModuleNotFoundError(f"{name} is not for this process", name=name)
        return None


def go_without_pandas() -> None:
    """Keep pyarrow from importing pandas where that is installed: seconds at the first load, and
    memory, to find out that nothing here is a data frame.
    """
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _Without("pandas"))


def give_back_memory() -> None:
    """Have what a load needed for a moment returned to the system afterwards (glibc only)."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_TRIM_THRESHOLD, _TRIM_BYTES)
        set_option(_M_MMAP_THRESHOLD, _MMAP_BYTES)
