"""Run one program and say what it cost: its own CPU, that of what it left behind, and the wait.

A program with `BEGIN` in it says at which CPU time of its own it came there. What was before is the
same with any client, and ten times what a small one costs: left in, its noise would hide what is
looked for. What comes after the program's last statement counts.

Linux only: what a program leaves behind is handed to this process (PR_SET_CHILD_SUBREAPER), which
waits for it and so learns its CPU.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import resource

CAP_S = 15  # a program is killed then, and what it left behind is too
PR_SET_CHILD_SUBREAPER = 36
BEGIN_FD = "BEGIN_FD"  # in a command line, where the number of a descriptor is to stand
BEGIN = f"import os, time; os.write({BEGIN_FD}, b'%d' % time.process_time_ns()); "
PIPE_BYTES = 1_000_000  # room for what a program prints before anybody reads it


class Run(NamedTuple):
    """What one run cost.

    `cpu`: user and system time of the program itself, and of children it waited for, in ms, from
    its BEGIN if it has one. `start`: what it took before that, else 0. `others`: the CPU of every
    process that it left behind, in ms. `wall`: from its start to its end, in ms. `held`: until
    nobody holds its stdout and stderr any more, in ms. `code`: its exit code, None if it was killed
    at the cap. `said`: what it printed.
    """

    cpu: float
    start: float
    others: float
    wall: float
    held: float
    code: int | None
    said: str


def adopt() -> None:
    """Have every orphan below this process handed to it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "this system hands over no orphans")


def run(argv: list[str], env: dict[str, str], cap: float = CAP_S, *, linger: bool = True) -> Run:
    """Run a program to its end and to the end of all that it started.

    Without `linger`, what it started is killed when the program has ended.
    """
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    said_begin, says_begin = os.pipe()
    begin = time.perf_counter()
    process = subprocess.Popen(
        [word.replace(BEGIN_FD, str(says_begin)) for word in argv],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer,
        cwd=env["HOME"],
        pass_fds=(says_begin,),
    )
    os.close(writer)
    os.close(says_begin)
    handle = os.pidfd_open(process.pid)
    ended = select.select([handle], [], [], cap)[0]
    os.close(handle)
    if not ended:
        process.kill()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    code = process.returncode = os.waitstatus_to_exitcode(status)
    try:
        said, held = _read(reader, begin, cap)
    finally:
        os.close(reader)
    os.set_blocking(said_begin, False)
    start = int(_read_now(said_begin) or 0) / 1e6
    others = _wait_for_orphans(begin + cap if linger else 0)
    return Run(
        _ms(usage) - start,
        start,
        others,
        wall * 1000,
        held * 1000,
        code if ended else None,
        said.decode(),
    )


def _read_now(fd: int) -> bytes:
    """Read what is there, and close it."""
    try:
        return os.read(fd, 100)
    except BlockingIOError:
        return b""
    finally:
        os.close(fd)


def _read(reader: int, begin: float, cap: float) -> tuple[bytes, float]:
    """Read to the end, which comes when the last process that holds the other side is gone."""
    said = b""
    while True:
        left = begin + cap - time.perf_counter()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return said, cap
        data = os.read(reader, 65_536)
        if not data:
            return said, time.perf_counter() - begin
        said += data


def _wait_for_orphans(until: float) -> float:
    """Wait for all that was left behind, kill what is left at `until`; return their CPU in ms."""
    total = 0.0
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return total
        if pid:
            total += _ms(usage)
        elif time.perf_counter() < until:
            time.sleep(0.001)
        else:
            for child in _children():
                os.kill(child, signal.SIGKILL)
            time.sleep(0.001)


def _children() -> list[int]:
    """Return the processes that were handed to this one."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text("ascii")
    return [int(pid) for pid in listed.split()]


def _ms(usage: resource.struct_rusage) -> float:
    return (usage.ru_utime + usage.ru_stime) * 1000
