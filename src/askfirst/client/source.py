"""Where a contract is read from, and the parsed copy that saves reading it at every run."""

import os

from askfirst.contract.jsontext import dumps, loads
from askfirst.contract.loading import parse, peek
from askfirst.contract.model import Contract, ContractError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CACHE = "contract"


class Source:
    """A contract's text, by path or from a package, read at most once.

    `path` may lie inside a zip archive (zipapp); `loader` is then the module loader that can read
    it.
    """

    __slots__ = ("_contract", "_key", "_text", "loader", "path")

    def __init__(self, path: str, loader: "Any" = None) -> None:
        self.path = path
        self.loader = loader
        self._text = ""
        self._key = ""
        self._contract: Contract | None = None

    def text(self) -> str:
        """Return the contract's text. Raises ContractError."""
        if not self._text:
            try:
                try:
                    with open(self.path, "rb") as file:
                        stat = os.fstat(file.fileno())
                        self._key = f"{self.path}|{stat.st_ino}|{stat.st_size}|{stat.st_mtime_ns}"
                        self._text = file.read().decode("utf-8")
                except OSError:
                    if not hasattr(self.loader, "get_data"):
                        raise
                    self._text = self.loader.get_data(self.path).decode("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise ContractError(self.path, [f"cannot be read: {error}"]) from error
        return self._text

    def name_and_state(self) -> "tuple[str, str]":
        """Return the tool's name and where its dotfile is. Raises ContractError."""
        if self._contract is None:
            seen = peek(self.text())
            if seen is not None:
                return seen
        contract = self.contract()
        return contract.name, contract.state

    def contract(self, folder: str = "") -> Contract:
        """Return the contract, from the copy in `folder` if it is of this file. Raises
        ContractError.
        """
        if self._contract is None:
            text = self.text()
            cached = _read(folder, self._key) if folder and self._key else None
            self._contract = cached if cached is not None else parse(text, self.path)
        return self._contract

    def keep(self, folder: str) -> None:
        """Keep a parsed copy in `folder`, for a user who said Yes. Raises OSError."""
        path = os.path.join(folder, CACHE)
        if not self._key or self._contract is None or _key_of(path) == self._key:
            return
        temporary = f"{path}.{os.getpid()}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with open(os.open(temporary, flags, 0o600), "w", encoding="ascii") as file:
            file.write(dumps(self._key) + "\n" + dumps(self._contract.as_dict()) + "\n")
        os.replace(temporary, path)


def _read(folder: str, key: str) -> "Contract | None":
    try:
        with open(os.path.join(folder, CACHE), "rb") as file:
            first, _, rest = file.read().decode("ascii").partition("\n")
        if loads(first) != key:
            return None
        data: Any = loads(rest)
        return Contract.from_dict(data)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _key_of(path: str) -> object:
    try:
        with open(path, encoding="ascii") as file:
            return loads(file.readline())
    except (OSError, ValueError):
        return None
