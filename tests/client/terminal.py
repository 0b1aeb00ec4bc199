"""A program in a pseudo-terminal of its own, as its user sees it."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PATIENCE_S = 120  # for what takes less than a second on a machine that is free
UP, DOWN, ENTER = "\x1b[A", "\x1b[B", "\r"
CTRL_C, CTRL_D = "\x03", "\x04"

# a session leader that opens a terminal by its name gets it as its controlling terminal
_FOREGROUND = 'i=$1 o=$2 e=$3; shift 3; exec "$@" <"$i" >"$o" 2>"$e"'
_BACKGROUND = 'i=$1 o=$2 e=$3; shift 3; exec <"$i" >"$o" 2>"$e"; set -m; "$@" & wait $!'


@contextmanager
def _no_signals_ignored() -> Iterator[None]:
    """What is started here has signals as in a terminal, though these tests run under `nohup`."""
    numbers = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
    ignored = [number for number in numbers if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)


class Terminal:
    """Starts a program with stdin, stdout and stderr on a new terminal, or on the files given.

    `typed` is there before the program is.
    """

    def __init__(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        columns: int = 80,
        stdin: str = "",
        stdout: str = "",
        stderr: str = "",
        background: bool = False,
        typed: str = "",
    ) -> None:
        self._master, self._slave = os.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.settings_before = self.settings()
        name = os.ttyname(self._slave)
        if typed:
            self.send(typed)
        script = _BACKGROUND if background else _FOREGROUND
        with _no_signals_ignored():
            self._process = subprocess.Popen(
                ["sh", "-c", script, "sh", stdin or name, stdout or name, stderr or name, *argv],
                env=env,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._raw = b""
        self._seen = 0  # characters

    @property
    def text(self) -> str:
        """Everything on the terminal so far, escape sequences and all."""
        return self._raw.decode("utf-8", "replace").replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        """The lines of the text without escape sequences."""
        return re.sub(r"\x1b\[[0-9]*[A-Za-z]|\r", "", self.text).split("\n")

    def settings(self) -> list[Any]:
        """How the terminal is set (termios)."""
        return termios.tcgetattr(self._slave)

    def signal(self, number: int) -> None:
        """Send the program a signal; the shell that started it has become it."""
        self._process.send_signal(number)

    def send(self, keys: str | bytes) -> None:
        """Type; one call is one burst."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def expect(self, *wanted: str) -> str:
        """Read until one of the texts appears behind what was expected before; return it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = [(self.text.find(text, self._seen), text) for text in wanted]
            at, text = min((pair for pair in found if pair[0] >= 0), default=(-1, ""))
            if at >= 0:
                self._seen = at + len(text)
                return text
            ended = self._process.poll() is not None
            if not self._read(0 if ended else 0.1) and (ended or time.monotonic() > deadline):
                raise AssertionError(f"{wanted} did not appear in:\n{self.text}")

    def wait(self, done: Callable[[str], bool], patience: float = PATIENCE_S) -> None:
        """Read until `done` says of the text so far that it is what was waited for."""
        deadline = time.monotonic() + patience
        while not done(self.text):
            assert time.monotonic() < deadline, f"it did not come:\n{self.text}"
            ended = self._process.poll() is not None
            assert self._read(0.1) or not ended, f"the program ended:\n{self.text}"

    def finish(self) -> int:
        """Read until the program ends; return its exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._process.poll() is None:
            self._read(0.02)
            assert time.monotonic() < deadline, f"the program did not end:\n{self.text}"
        while self._read(0):
            pass
        return self._process.returncode

    def hang_up(self) -> int:
        """Close the terminal, as its window would be; return the program's exit code."""
        os.close(self._master)
        self._master = os.open(os.devnull, os.O_RDONLY)  # for `close`
        return self._process.wait(PATIENCE_S)

    def close(self) -> None:
        """End the program if it still runs, and everything it started in this session."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        os.close(self._master)
        os.close(self._slave)

    def _read(self, patience: float) -> bool:
        if not select.select([self._master], [], [], max(patience, 0))[0]:
            return False
        self._raw += os.read(self._master, 65_536)
        return True
