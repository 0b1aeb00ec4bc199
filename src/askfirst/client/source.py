"""The contract in full, for whoever needs more of it than `Telemetry.name_and_state` reads."""

import os

from askfirst import __version__, peek, read_file
from askfirst.usual import hash_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from askfirst.contract.model import Contract

PARSED = "contract"  # the file beside the queue in which a sender leaves what it parsed
MOST_PARSED = 4_000_000  # bytes of it

_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)


class Source:
    """A contract's text, by path or from an archive (by its `loader`), read at most once."""

    __slots__ = ("_contract", "_text", "loader", "path")

    def __init__(self, path: str, loader: "Any" = None) -> None:
        self.path = path
        self.loader = loader
        self._text = ""
        self._contract: Contract | None = None

    def text(self) -> str:
        """Return the contract's text. Raises ContractError."""
        if not self._text:
            try:
                self._text = self._read().decode("utf-8").lstrip("\ufeff")
            except (OSError, UnicodeDecodeError) as error:
                from askfirst.contract.model import ContractError

                remedy = "ship it as package data, beside the file that calls from_contract"
                raise ContractError(self.path, [f"cannot be read: {error}; {remedy}"]) from error
        return self._text

    def stat(self) -> os.stat_result:
        """Return what `stat` says of the contract's file, or of the archive that it is in."""
        path = self.path
        while not os.path.exists(path) and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        return os.stat(path)

    def name_and_state(self) -> "tuple[str, str]":
        """Return the tool's name and where its dotfile is. Raises ContractError."""
        seen = peek(self.text())
        return (self.contract().name, self.contract().state) if seen is None else seen

    def contract(self) -> "Contract":
        """Return the contract. Raises ContractError."""
        if self._contract is None:
            from askfirst.contract.loading import parse

            self._contract = parse(self.text(), self.path)
        return self._contract

    def open(self) -> int:
        """Return a descriptor of the text, which a child can be given. Raises OSError."""
        try:
            return os.open(self.path, _READ)
        except OSError:
            if not hasattr(self.loader, "get_data"):
                raise
        return _unnamed(self.loader.get_data(self.path))

    def _read(self) -> bytes:
        fd = self.open()
        with os.fdopen(fd, "rb") as file:
            return file.read()


def _unnamed(raw: bytes) -> int:
    """Return a descriptor of a file that has no name, with `raw` in it."""
    if hasattr(os, "memfd_create"):  # needs no room on a disk that may be full
        fd = os.memfd_create("contract")
    else:
        import tempfile

        fd, name = tempfile.mkstemp()
        if os.name != "nt":  # where what is open cannot be deleted
            os.unlink(name)
    with os.fdopen(os.dup(fd), "wb") as file:
        file.write(raw)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def parse_once(text: str, folder: str) -> "Contract":
    """Return the contract of a text; keep it in `folder`: TOML takes a fifth of a delivery's CPU.

    For this text and this version of the package. Raises ContractError.
    """
    from askfirst.client.folders import put
    from askfirst.contract.jsontext import dumps, loads
    from askfirst.contract.model import Contract

    path = os.path.join(folder, PARSED)
    seal, _, body = (read_file(path, MOST_PARSED) or b"").partition(b"\n")
    if body and seal == _seal(text, body):
        return Contract.from_dict(loads(body.decode("ascii")))  # type: ignore[arg-type]
    from askfirst.contract.loading import parse

    made = parse(text)
    body = dumps(made.as_dict()).encode("ascii")
    put(path, _seal(text, body) + b"\n" + body)
    return made


def _seal(text: str, body: bytes) -> bytes:
    return hash_bytes(b"\n".join((__version__.encode(), text.encode("utf-8"), body))).encode()
