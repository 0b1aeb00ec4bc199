"""Telemetry for command-line tools that asks first.

Here is Telemetry, the one object an author meets, with all that a run needs whose user never said
Yes. It is one module, because each costs a program 0.1 ms; the rest is imported where it is used.
"""

import os
import sys

__all__ = ["Contract", "ContractError", "Telemetry", "__version__"]
__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, ParamSpec, TypeVar

    from askfirst.client import Places
    from askfirst.client.source import Source
    from askfirst.contract.model import Contract, ContractError

    P = ParamSpec("P")
    R = TypeVar("R")

DELIVER_EVERY = 3600  # seconds
MOST_ANSWERS = 1_000_000  # bytes of a dotfile; some hundreds are usual
MOST_HEAD = 8_192  # bytes of a contract in which its [tool] should end

_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-"
_REGULAR, _KIND = 0o100000, 0o170000  # the module `stat` is not there on a bare interpreter
# without O_NONBLOCK a FIFO of that name would hang the host program
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def guarded(method: "Callable[P, R]") -> "Callable[P, R | None]":
    """Wrap a method of an object that has `strict`: when that is false, failures return None.

    KeyboardInterrupt and SystemExit pass: they are the host program's, not ours.
    """

    def safely(*args: "P.args", **kwargs: "P.kwargs") -> "R | None":
        try:
            return method(*args, **kwargs)
        except Exception:
            if getattr(args[0], "strict", False):
                raise
            return None

    safely.__name__, safely.__doc__ = method.__name__, method.__doc__
    return safely


class Telemetry:
    """Asks, remembers, records; never touches the network, never raises, never prints unasked.

    Make one with `from_contract`. With `strict` true (or ASKFIRST_STRICT=1 in the environment)
    mistakes of the author raise; a user's run stays silent.
    """

    def __init__(
        self,
        contract: str,
        version: str,
        *,
        loader: "Any" = None,
        deliver_every: float = DELIVER_EVERY,
        strict: bool = False,
        env: "Mapping[str, str] | None" = None,
    ) -> None:
        """Take the path of a contract; `loader` is a module loader that can read it if need be."""
        self.path = contract
        self.loader = loader
        self.version = str(version).partition("+")[0]  # build metadata may carry a machine's name
        self.deliver_every = deliver_every
        self.strict = strict
        self.verbose = False
        self.env: Mapping[str, str] = os.environ if env is None else env
        self.stat: os.stat_result | None = None  # of the contract's file
        self._seen: tuple[str, str] | None = None
        self._source: Source | None = None
        self._values: dict[str, object] = {}
        self._process = 0

    @classmethod
    def from_contract(
        cls,
        contract: "str | os.PathLike[str]",
        version: str,
        *,
        deliver_every: float = DELIVER_EVERY,
        strict: "bool | None" = None,
    ) -> "Telemetry":
        """Return the telemetry of a tool whose contract is at a path.

        A relative path is looked for beside the file that calls this, as package data is. `version`
        is the tool's own; `deliver_every` is in seconds, a week at most. Reads nothing yet, so it
        never fails; `askfirst contract check` finds mistakes.
        """
        path = os.fspath(contract)
        caller = sys._getframe(1).f_globals  # noqa: SLF001 - what inspect uses, without its cost
        if not os.path.isabs(path):
            path = os.path.join(os.path.dirname(absolute(caller.get("__file__", "x"))), path)
        if getattr(sys, "frozen", False) and "ASKFIRST_SENDER" in os.environ:
            # a frozen program has no interpreter to start: it delivers through its own executable
            from askfirst.client.sender import main

            main()
        if strict is None:
            strict = os.environ.get("ASKFIRST_STRICT", "") not in ("", "0")
        loader = caller.get("__loader__")
        return cls(path, version, loader=loader, deliver_every=deliver_every, strict=strict)

    @guarded
    def ask(self) -> None:
        """Ask for consent if it may and should be asked now; remember the answer."""
        self._process = os.getpid()
        try:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                return
        except (AttributeError, ValueError):  # None under pythonw, or closed
            return
        answers = self.answers()
        if answers is not None:
            if is_no_to(answers, self.version):
                return
            if may_be_yes(answers):
                from askfirst import usual

                if usual.is_agreed(self, answers):
                    return
        from askfirst.client import asking

        asking.ask(self)

    @guarded
    def set(self, values: "Mapping[str, object]") -> None:
        """Give fields of the command that runs, any time before it ends."""
        if self.strict:
            self._check(values)
        self._values.update(values)

    @guarded
    def record(self, command: str, values: "Mapping[str, object] | None" = None) -> None:
        """Record that `command` ran, with the fields given here and to `set`.

        Does nothing without a Yes that covers the contract. Appends to a local queue and starts a
        detached sender if a delivery is due; waits for neither.
        """
        if self.strict:
            self._check(values or {}, command)
        self._record(command, values)

    @guarded
    def record_if_declared(
        self, command: str, values: "Mapping[str, object] | None" = None
    ) -> None:
        """Record that `command` ran; one that the contract does not list is no mistake here.

        For integrations, which see every command of a program. What comes back from a command in a
        fork of the process that began it is not recorded again.
        """
        if self._process in (0, os.getpid()):
            self._record(command, values)

    def _record(self, command: str, values: "Mapping[str, object] | None") -> None:
        given, self._values = {**self._values, **(values or {})}, {}
        if not (self.verbose or self.strict):
            answers = self.answers()
            if answers is not None:
                if not may_be_yes(answers):
                    return
                from askfirst import usual

                if usual.record(self, answers, command, given):
                    return
        from askfirst.client import recording

        recording.record(self, command, given)

    def forget(self, *, verbose: bool) -> "dict[str, object]":
        """Return and forget what `set` was given; for integrations, where a command ends."""
        values, self._values, self.verbose = self._values, {}, verbose
        return values

    def run_command(self, argv: "Sequence[str]") -> int:
        """Run `<tool> telemetry …`; `argv` begins behind `telemetry`. Returns an exit code."""
        from askfirst.client import commands

        return commands.run(self, list(argv))

    def contract(self) -> "Contract":
        """Return the contract in force. Raises ContractError."""
        return self.source.contract()

    @property
    def source(self) -> "Source":
        """What reads the contract in full."""
        if self._source is None:
            from askfirst.client.source import Source

            self._source = Source(self.path, self.loader)
        return self._source

    def places(self) -> "Places | None":
        """Return where this tool's files are, or None if there is no home for them."""
        from askfirst import client

        return client.find(*self.name_and_state(), self.env)

    def name_and_state(self) -> "tuple[str, str]":
        """Return the tool's name and where its dotfile is. Raises ContractError."""
        if self._seen is None:
            try:
                found = _begin(self.path, MOST_HEAD)
            except OSError:
                found = None  # inside an archive, perhaps
            if found is not None:
                self.stat, raw = found
                if self.stat.st_size > len(raw):
                    # nothing that is cut, and the end of [tool] in it
                    raw = raw[: raw.rfind(b"\n[") + 2]
                self._seen = peek(raw.decode("utf-8", "replace"))
            if self._seen is None:
                self._seen = self.source.name_and_state()
                self.stat = self.source.stat()
        return self._seen

    def answers(self) -> "bytes | None":
        """Return the dotfile as it is, b"" if there is none; None if only a decision can tell."""
        name, state = self.name_and_state()
        if self.env.get(name.upper().replace("-", "_") + "_TELEMETRY", "").lower() == "log":
            return None  # an event is to be printed, whatever was answered
        home = self.env.get("HOME", "")
        if state == "home" and home[:1] == "/" and sys.platform != "win32":
            dotfile = home + "/." + name  # as `client.find` has it
        else:
            places = self.places()
            if places is None:
                return b""
            dotfile = places.dotfile
        return read_file(dotfile, MOST_ANSWERS)

    def at_exit(self, end: "Callable[[], None]") -> None:
        """Have `end` called where the process ends; under askfirst.testing, where a test does."""
        import atexit

        atexit.register(end)

    def _check(self, values: "Mapping[str, object]", command: "str | None" = None) -> None:
        from askfirst.client import mistakes

        mistakes.check(self.contract(), values, command)


def may_be_yes(answers: bytes) -> bool:
    """Tell whether `consent.decide` might find a Yes, or something to be erased, in a dotfile."""
    return b"true" in answers or b'"erasing"' in answers


def is_no_to(answers: bytes, version: str) -> bool:
    """Tell whether there is plainly a No to this very version in a dotfile: then nobody asks."""
    own = f'"{version}":{{"sendTelemetry":false'.encode("utf-8", "replace")
    return not may_be_yes(answers) and own in b"".join(answers.split())


def read_file(path: str, most: int) -> "bytes | None":
    """Return a regular file's bytes, b"" if there is none, None if it has more than `most`.

    None too for what is no such file or cannot be read. Never blocks, never raises.
    """
    try:
        found = _begin(path, most)
    except FileNotFoundError:
        return b""
    except OSError:
        return None
    return found[1] if found is not None and found[0].st_size <= most else None


def _begin(path: str, most: int) -> "tuple[os.stat_result, bytes] | None":
    """Return what `fstat` says of a regular file and at most `most` bytes of it; else None.

    Raises OSError.
    """
    fd = os.open(path, _READ)
    try:
        stat = os.fstat(fd)
        if stat.st_mode & _KIND != _REGULAR:
            return None
        return stat, os.read(fd, min(stat.st_size, most))
    finally:
        os.close(fd)


def peek(text: str) -> "tuple[str, str] | None":
    """Return (name, state) of a plainly written contract without parsing all of it, or None.

    It leads to the dotfile at a hundredth of the cost of reading TOML.
    """
    name, state = "", "home"
    inside = False
    for line in text.splitlines():
        row = line.strip()
        if row.startswith("["):
            if inside:
                break
            inside = row.partition("#")[0].rstrip() == "[tool]"
        elif inside and row.startswith(('"', "'")) and "=" in row:
            return None  # a quoted key
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
    plain = 1 <= len(name) <= 40 and name[0].isalpha() and not name.strip(_NAME)
    return (name, state) if plain and state in ("home", "xdg") else None


def absolute(path: str) -> str:
    """Return an absolute path; the same path where the current folder is deleted."""
    try:
        return path if os.path.isabs(path) else os.path.abspath(path)
    except OSError:
        return path


# where this package is; found at import, because the host program may change its folder later
HERE = absolute(__file__)


def __getattr__(name: str) -> object:
    """Import the other public names where they are first used (PEP 562)."""
    if name not in ("Contract", "ContractError"):
        raise AttributeError(f"module 'askfirst' has no attribute {name!r}")
    from askfirst.contract import model

    return getattr(model, name)
