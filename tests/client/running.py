"""Which processes run, by what is in their environment, where /proc tells."""

from __future__ import annotations

import time
from pathlib import Path

PATIENCE_S = 5
KERNELS_OWN = 0x200000  # PF_KTHREAD, of a process's flags


def running(mark: bytes) -> list[str]:
    """The ids of the processes that have `mark` in their environment.

    Two looks: one may miss a process that is just handing over to the one it forks.
    """
    return _look(mark) or _look(mark)


def _look(mark: bytes) -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*") if mark in _environment(path)]


def _environment(process: Path) -> list[bytes]:
    """The variables of a process; none if it has ended, or is not ours.

    While a process becomes another program, or ends, it has none for a moment; but it runs, and
    holds its files and locks. So it is looked at again.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            raw = (process / "environ").read_bytes()
            if raw or not _is_in_between(process) or time.monotonic() > deadline:
                return raw.split(b"\0")
        except OSError:
            return []
        time.sleep(0.001)


def _is_in_between(process: Path) -> bool:
    state, *rest = (process / "stat").read_text().rpartition(") ")[2].split()
    if state in "ZX" or int(rest[5]) & KERNELS_OWN:
        return False
    return not (process / "cmdline").read_bytes()
