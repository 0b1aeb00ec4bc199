"""Run a program in a terminal of its own, type for it, and return what its user sees."""

from __future__ import annotations

import os
import re
import select
import signal
import struct
import time
from typing import TYPE_CHECKING

from askfirst.cli.main import Failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COLUMNS, LINES = 88, 50
PATIENCE_S = 60
HELD_BACK = {
    getattr(signal, name) for name in ("SIGHUP", "SIGINT", "SIGTERM") if hasattr(signal, name)
}
ASKS = "Yes, I agree"  # the last line of the question: from here on, keys are read

_REDRAW = re.compile(r"\x1b\[(\d+)A\r\x1b\[J")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def run_in_terminal(argv: Sequence[str], *, env: Mapping[str, str], folder: Path, keys: str) -> str:
    """Return the screen after a run in which `keys` answered the question, if there was one.

    Raises Failure where there are no pseudo-terminals, when the program fails, or does not end.
    """
    try:
        import fcntl
        import pty
        import termios
    except ImportError as error:  # Windows
        raise Failure("the demo needs a POSIX terminal; run it on Linux or macOS") from error
    # what a signal's handler raises amid a fork goes to the hooks of other modules, which drop it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    try:
        pid, fd = pty.fork()
    except OSError as error:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise Failure(f"the demo needs a terminal, and gets none: {error.strerror}") from error
    if pid == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            os.chdir(folder)
            os.execve(argv[0], list(argv), dict(env))  # noqa: S606 - no shell is wanted
        finally:
            os._exit(127)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        text = _watch(fd, keys)
    finally:
        os.close(fd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise Failure(f"{' '.join(argv)} ended with {status}: {screen(text)}")
    return screen(text)


def _watch(fd: int, keys: str) -> str:
    """Read until the program ends; type `keys` when the question has been put."""
    raw, typed = b"", not keys
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([fd], [], [], 0.5)
        if not ready:
            continue
        try:
            piece = os.read(fd, 65536)
        except OSError:  # Linux says EIO when the last program on a terminal has ended
            piece = b""
        if not piece:
            return raw.decode("utf-8", "replace")
        raw += piece
        if not typed and ASKS in raw.decode("utf-8", "replace"):
            os.write(fd, keys.encode())
            typed = True
    raise Failure(f"a program in the demo does not end: {raw.decode('utf-8', 'replace')}")


def screen(text: str) -> str:
    """Return what a terminal shows after `text`: redrawn lines replaced, escapes taken out."""
    text = text.replace("\r\n", "\n")
    while redraw := _REDRAW.search(text):
        lines = text[: redraw.start()].split("\n")
        kept = lines[: -1 - int(redraw[1])]
        text = "\n".join([*kept, text[redraw.end() :]])
    return _ESCAPE.sub("", text).strip("\n")
