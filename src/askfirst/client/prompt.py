"""The question: who asks, what for, and two choices of which No is the first.

Drawn on stderr: stdout is the host's. Whatever is not understood is No. A plain terminal
(TERM=dumb, or without single keys) asks for a typed y or n, as a screen reader wants it.
"""

import os
import sys
import textwrap

from askfirst.contract.notice import KEYS, NO, agree_label, question, wrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from askfirst.contract.model import Contract

WIDEST, NARROWEST = 88, 16  # columns
QUIET_S = 0.05  # what follows an answer sooner than this was typed, or pasted, together with it
SIGNALS_S = 0.5  # how late a signal may be seen

_UP = ("\x1b[A", "\x1bOA", "k", "\x1b[D", "\x1bOD")
_DOWN = ("\x1b[B", "\x1bOB", "j", "\x1b[C", "\x1bOC", "\t")
_ENTER = ("\r", "\n")
_YES_WORDS = ("y", "yes")


def ask(contract: "Contract", env: "Mapping[str, str]") -> bool:
    """Put the question on the terminal and return the answer; True only for a clear Yes."""
    write = _writer()
    width = min(max(_columns() - 1, NARROWEST), WIDEST)
    write("\n" + wrap(question(contract), width) + "\n\n")
    choices = (NO, agree_label(contract))
    keys = None if env.get("TERM", "dumb") in ("dumb", "") else _raw_keys()
    yes = _typed(choices, write, width) if keys is None else _chosen(choices, keys, write, width)
    thanks = f"Thank you. Change your mind with: {contract.name} telemetry off"
    write("\n" + wrap(thanks if yes else "Nothing is collected.", width) + "\n\n")
    return yes


def understand(burst: str, selected: int) -> "tuple[int, bool]":
    """Read a burst of keys: return (which choice is selected, whether that is the answer).

    A burst arrived at once. A letter answers only if it is all of it.
    """
    word = burst.rstrip("\r\n").lower()
    if word in _YES_WORDS:
        return 1, True
    if word in ("n", "no"):
        return 0, True
    while burst:
        key = next((k for k in (*_UP, *_DOWN, *_ENTER) if burst.startswith(k)), "")
        if key in _ENTER:
            return selected, True
        if not key:
            return 0, True
        selected = 0 if key in _UP else 1
        burst = burst[len(key) :]
    return selected, False


def _typed(choices: "tuple[str, str]", write: "Callable[[str], None]", width: int) -> bool:
    write(wrap(f"- n: {choices[0]} (Enter alone means this)\n- y: {choices[1]}", width) + "\n")
    _drop_typed()
    try:
        write(wrap("Your answer, y or n [n]:", width) + " ")
        answer = sys.stdin.readline()
    except (KeyboardInterrupt, UnicodeDecodeError):
        answer = ""
    _drop_typed()
    if not answer.endswith("\n"):
        write("\n")
    return answer.strip().lower() in _YES_WORDS


def _drop_typed() -> None:
    """Drop what was typed out of view of the question, or is not for the host program."""
    try:
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except Exception:  # noqa: BLE001, S110 - no termios, or no terminal that can do it
        pass


def _chosen(
    choices: "tuple[str, str]",
    keys: "_PosixKeys | _WindowsKeys",
    write: "Callable[[str], None]",
    width: int,
) -> bool:
    write(wrap(KEYS, width) + "\n")
    selected, done = 0, False
    with keys:
        drawn = _draw(choices, selected, write, width)
        while not done:
            burst = keys.read()
            before = selected
            selected, done = (0, True) if not burst else understand(burst, selected)
            if selected != before:
                write(f"\x1b[{drawn}A\r\x1b[J")
                drawn = _draw(choices, selected, write, width)
    return selected == 1


def _draw(
    choices: "tuple[str, str]", selected: int, write: "Callable[[str], None]", width: int
) -> int:
    """Write the choices; return how many lines they take."""
    rows: list[str] = []
    for index, choice in enumerate(choices):
        mark = "> " if index == selected else "  "
        rows += textwrap.wrap(mark + choice, width, subsequent_indent="  ", drop_whitespace=False)
    write("".join(row.rstrip() + "\n" for row in rows))
    columns = _columns()
    return sum(_height(row.rstrip(), columns) for row in rows)


def _height(row: str, columns: int) -> int:
    """Return how many lines of a terminal a row takes; some letters take two columns, or none."""
    from unicodedata import combining, east_asian_width

    lines, at = 1, 0
    for char in row:
        cells = 2 if east_asian_width(char) in "WF" else not combining(char)
        at += cells
        if at > columns:
            lines, at = lines + 1, cells
    return lines


class _PosixKeys:
    """Single keys from the terminal behind stdin, for the length of a `with`."""

    def __init__(self) -> None:
        import termios

        self._fd = sys.stdin.fileno()
        self._before = termios.tcgetattr(self._fd)

    def __enter__(self) -> None:
        import termios

        _handle(0, self._end)
        mode = termios.tcgetattr(self._fd)
        # no line mode, no echo, and Ctrl-C, Ctrl-S and Ctrl-V as keys: they answer the question
        mode[0] &= ~termios.IXON
        mode[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._fd, termios.TCSAFLUSH, mode)

    def __exit__(self, *_error: object) -> None:
        import select
        import termios

        # the rest of what was typed or pasted is not meant for the host program
        try:
            for _ in range(100):
                if not select.select([self._fd], [], [], QUIET_S)[0] or not os.read(self._fd, 1024):
                    break
        finally:
            termios.tcsetattr(self._fd, termios.TCSAFLUSH, self._before)
            _handle(self._end, 0)

    def _end(self, number: int, _: object) -> None:
        """End by a signal as ever, but for the terminal."""
        import termios

        from askfirst.client.asking import is_in_front

        try:
            if is_in_front():  # else we would be stopped instead
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)
        finally:
            _handle(self._end, 0)
            os.kill(os.getpid(), number)

    def read(self) -> str:
        """Return what arrived at once; '' for Ctrl-C, Ctrl-D and the end of input."""
        import select

        while not select.select([self._fd], [], [], SIGNALS_S)[0]:
            pass  # Python handles a signal that came just before a wait only after it
        burst = os.read(self._fd, 1024).decode("utf-8", "replace")
        return "" if burst[:1] in ("\x03", "\x04", "\x1c") else burst


def _handle(old: "Any", new: "Any") -> None:
    """Handle by `new` what ends a program and is handled by `old`; 0 is the default."""
    import signal

    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == old:
                signal.signal(number, new)
    except ValueError:  # only the main thread may
        pass


class _WindowsKeys:
    """The same from a Windows console."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def read(self) -> str:
        import msvcrt

        key: str = msvcrt.getwch()  # type: ignore[attr-defined, unused-ignore]
        if key in ("\x00", "\xe0"):
            second: str = msvcrt.getwch()  # type: ignore[attr-defined, unused-ignore]
            return {"H": "\x1b[A", "P": "\x1b[B"}.get(second, second)
        return "" if key in ("\x03", "\x04", "\x1a") else key


def _raw_keys() -> "_PosixKeys | _WindowsKeys | None":
    if sys.platform == "win32":
        return _WindowsKeys()
    try:
        return _PosixKeys()
    except Exception:  # noqa: BLE001 - no termios, or a terminal that will not say how it is set
        return None


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _writer() -> "Callable[[str], None]":
    encoding = sys.stderr.encoding or "ascii"

    def write(text: str) -> None:
        # a contract's text may hold characters that this terminal has not
        sys.stderr.write(text.encode(encoding, "replace").decode(encoding))
        sys.stderr.flush()

    return write
