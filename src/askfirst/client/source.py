"""Where a contract is read from, and the parsed copy that saves reading it at every run.

Whoever said No, or was never asked, pays for a look at the contract's first lines and no more.
"""

import os

from askfirst.client.paths import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from askfirst.contract.model import Contract

CACHE = "contract"
MOST_BYTES = 1_000_000  # of the parsed copy
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-"


class Source:
    """A contract's text, by path or from a package, read at most once.

    `path` may lie inside a zip archive (zipapp); `loader` is then the module loader that can read
    it.
    """

    __slots__ = ("_contract", "_key", "_seen", "_text", "loader", "path")

    def __init__(self, path: str, loader: "Any" = None) -> None:
        self.path = path
        self.loader = loader
        self._text = ""
        self._key = ""
        self._seen: tuple[str, str] | None = None
        self._contract: Contract | None = None

    def text(self) -> str:
        """Return the contract's text. Raises ContractError."""
        if not self._text:
            try:
                self._text = self._read().decode("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                from askfirst.contract.model import ContractError

                remedy = "ship it as package data, beside the file that calls from_contract"
                raise ContractError(self.path, [f"cannot be read: {error}; {remedy}"]) from error
        return self._text

    def name_and_state(self) -> "tuple[str, str]":
        """Return the tool's name and where its dotfile is. Raises ContractError."""
        if self._seen is None:
            self._seen = peek(self.text())
        if self._seen is None:
            contract = self.contract()
            self._seen = contract.name, contract.state
        return self._seen

    def contract(self, folder: str = "") -> "Contract":
        """Return the contract, from the copy in `folder` if it is of this file.

        Raises ContractError.
        """
        if self._contract is None:
            text = self.text()
            if folder and self._key:
                self._contract = _read_copy(folder, self._key)
            if self._contract is None:
                from askfirst.contract.loading import parse

                self._contract = parse(text, self.path)
        return self._contract

    def keep(self, folder: str) -> None:
        """Keep a parsed copy in `folder`, for a user who said Yes, if there is room."""
        from askfirst.contract.jsontext import dumps

        if not self._key or self._contract is None:
            return
        head = (dumps(self._key) + "\n").encode("ascii")
        path = os.path.join(folder, CACHE)
        if (read_file(path, MOST_BYTES) or b"").startswith(head):
            return
        temporary = f"{path}.{os.getpid()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(head + dumps(self._contract.as_dict()).encode("ascii") + b"\n")
            os.replace(temporary, path)
        except OSError:  # a full disk; it is read from its own file then
            try:
                os.unlink(temporary)
            except OSError:
                pass

    def _read(self) -> bytes:
        try:
            fd = os.open(self.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            if not hasattr(self.loader, "get_data"):
                raise
            raw: bytes = self.loader.get_data(self.path)
            return raw
        try:
            stat = os.fstat(fd)
            self._key = f"{self.path}|{stat.st_ino}|{stat.st_size}|{stat.st_mtime_ns}"
            return os.read(fd, stat.st_size + 1)
        finally:
            os.close(fd)


def peek(text: str) -> "tuple[str, str] | None":
    """Return (name, state) of a plainly written contract without parsing all of it, or None.

    What a client needs to find the dotfile, at a hundredth of the cost of reading TOML. None means
    "not plainly written": then it is parsed.
    """
    name, state = "", "home"
    inside = False
    for line in text.splitlines():
        row = line.strip()
        if row.startswith("["):
            if inside:
                break
            inside = row.partition("#")[0].rstrip() == "[tool]"
        elif inside and row.startswith(("name", "state")):
            key, _, rest = row.partition("=")
            value = rest.strip()
            quote, end = value[:1], value.find('"', 1)
            if quote != '"' or end < 0 or "\\" in value[:end] or value[:3] == '"""':
                return None
            if value[end + 1 :].lstrip()[:1] not in ("", "#"):
                return None
            if key.strip() == "name":
                name = value[1:end]
            elif key.strip() == "state":
                state = value[1:end]
    plain = 1 <= len(name) <= 40 and name[0].isalpha() and all(char in _NAME for char in name)
    return (name, state) if plain and state in ("home", "xdg") else None


def _read_copy(folder: str, key: str) -> "Contract | None":
    from askfirst.contract.jsontext import loads
    from askfirst.contract.model import Contract

    raw = read_file(os.path.join(folder, CACHE), MOST_BYTES) or b""
    try:
        first, _, rest = raw.decode("ascii").partition("\n")
        if loads(first) != key:
            return None
        data: Any = loads(rest)
        return Contract.from_dict(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
