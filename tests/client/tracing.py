"""What a program did to the machine, by strace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FREE = ("/dev/null", "/dev/tty")  # may be opened for writing
_CALL = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
_OPENED = re.compile(r'"(?P<path>[^"]*)", (?P<flags>O_[A-Z_|]+)')
_STARTS = ("clone", "clone3", "fork", "vfork", "execve", "execveat")
_CHANGES = (
    "rename",
    "unlink",
    "mkdir",
    "rmdir",
    "link",
    "symlink",
    "mknod",
    "chmod",
    "fchmod",
    "chown",
    "fchown",
    "lchown",
    "truncate",
    "ftruncate",
    "creat",
    "utime",
    "setxattr",
)


class Trace:
    """Runs a command under strace (`before` is its command line) and reads what it wrote."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.before = [
            "strace",
            "-f",
            "-qq",
            *("-e", "trace=%network,%file,%process,ftruncate,fchmod,fchown"),
            *("-o", str(file)),
        ]

    def calls(self) -> list[tuple[int, str, str]]:
        """Every call as (process, name, the rest of the line); the program's own start is first."""
        found = (_CALL.match(line) for line in self._file.read_text().splitlines())
        calls = [(int(call["pid"]), call["name"], call["rest"]) for call in found if call]
        assert calls[0][1] == "execve"
        return calls

    def network(self) -> list[str]:
        """Every use of a socket, by any process."""
        # %network is also: socketpair, shutdown, sockopt; none of them has a place here either
        names = ("socket", "connect", "send", "recv", "bind", "listen", "accept", "getsock", "shut")
        return [f"{name}({rest}" for _, name, rest in self.calls() if name.startswith(names)]

    def writes(self) -> list[str]:
        """Every try to make, change or delete a file or folder, anywhere."""
        return [
            f"{name}({rest}"
            for _, name, rest in self.calls()
            if name.startswith(_CHANGES) or (name.startswith("open") and _is_for_writing(rest))
        ]

    def starts(self) -> list[str]:
        """Every try to start another process, or to become another program."""
        return [f"{name}({rest}" for _, name, rest in self.calls()[1:] if name in _STARTS]


def _is_for_writing(rest: str) -> bool:
    opened = _OPENED.search(rest)
    assert opened is not None, rest
    flags = opened["flags"].split("|")
    return opened["path"] not in FREE and bool({"O_WRONLY", "O_RDWR", "O_CREAT"} & set(flags))
