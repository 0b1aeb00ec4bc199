"""Which processes run, by what is in their environment, where /proc tells."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

PATIENCE_S = 5
KERNELS_OWN = 0x200000  # PF_KTHREAD, of a process's flags


def running(mark: str) -> list[str]:
    """The ids of the processes with `mark` in their environment.

    A whole variable is \\0NAME=VALUE\\0 there.

    Two looks: one may miss a process that is just handing over to the one it forks.
    """
    return _look(mark.encode()) or _look(mark.encode())


def _look(mark: bytes) -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*") if mark in _environment(path)]


def _environment(process: Path) -> bytes:
    """What is in the environment of a process; nothing if it has ended, or is not ours.

    While a process becomes another program, or ends, it has none for a moment; but it runs, and
    holds its files and locks. So it is looked at again.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        raw = b""
        try:
            with suppress(ProcessLookupError):  # so a new kernel says that there is none
                raw = (process / "environ").read_bytes()
            if raw or not _is_in_between(process) or time.monotonic() > deadline:
                return b"\0" + raw
        except OSError:
            return b""
        time.sleep(0.001)


def _is_in_between(process: Path) -> bool:
    state, *rest = (process / "stat").read_text().rpartition(") ")[2].split()
    if state in "ZX" or int(rest[5]) & KERNELS_OWN:
        return False
    return not (process / "cmdline").read_bytes()
