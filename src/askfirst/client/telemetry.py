"""Telemetry: the one object an author meets.

It imports next to nothing: a program pays for this module at every start, whatever was answered.
"""

import os
import sys

from askfirst.client import paths
from askfirst.client.source import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import ParamSpec, TypeVar

    from askfirst.contract.model import Contract

    P = ParamSpec("P")
    R = TypeVar("R")

DELIVER_EVERY = 3600  # seconds
MOST_BYTES = 65_536  # of a dotfile that is looked at before it is parsed; a few hundred are usual


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

    safely.__name__ = method.__name__
    safely.__qualname__ = method.__qualname__
    safely.__doc__ = method.__doc__
    return safely


class Telemetry:
    """Asks, remembers, records; never touches the network, never raises, never prints unasked.

    Make one with `from_contract`. With `strict` true (or ASKFIRST_STRICT=1 in the environment)
    mistakes of the author raise; a user's run stays silent.
    """

    def __init__(
        self,
        source: Source,
        version: str,
        *,
        deliver_every: float = DELIVER_EVERY,
        strict: bool = False,
        env: "Mapping[str, str] | None" = None,
    ) -> None:
        self.source = source
        self.version = version.partition("+")[0]  # build metadata may carry a machine's name
        self.deliver_every = deliver_every
        self.strict = strict
        self.verbose = False
        self.env: Mapping[str, str] = os.environ if env is None else env
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

        A relative path is looked for beside the file that calls this, so that package data works
        and the user's current folder never matters. `version` is the tool's own; `deliver_every`
        is in seconds. Reads nothing yet, so it never fails; `askfirst contract check` finds
        mistakes.
        """
        path = os.fspath(contract)
        caller = sys._getframe(1).f_globals  # noqa: SLF001 - what inspect uses, without its cost
        if not os.path.isabs(path):
            path = os.path.join(os.path.dirname(paths.absolute(caller.get("__file__", "x"))), path)
        if getattr(sys, "frozen", False) and "ASKFIRST_SENDER" in os.environ:
            # a frozen program has no interpreter to start: it delivers through its own executable
            from askfirst.client.sender import main

            main()
        if strict is None:
            strict = os.environ.get("ASKFIRST_STRICT", "") not in ("", "0")
        source = Source(path, caller.get("__loader__"))
        return cls(source, version, deliver_every=deliver_every, strict=strict)

    @guarded
    def ask(self) -> None:
        """Ask for consent if it may and should be asked now; remember the answer."""
        self._process = os.getpid()
        if _is_terminal():
            from askfirst.client import recording

            recording.ask(self)

    @guarded
    def set(self, values: "Mapping[str, object]") -> None:
        """Give fields of the command that runs, any time before it ends."""
        if self.strict:
            self._check(values)
        self._values.update(values)

    @guarded
    def record(self, command: str, values: "Mapping[str, object] | None" = None) -> None:
        """Record that `command` ran, with the fields given here and to `set`.

        Does nothing unless there is a Yes that covers the contract. Appends to a local queue;
        starts a detached sender if a delivery is due; never waits for either.
        """
        if self.strict:
            self._check(values or {}, command)
        self._record(command, values)

    @guarded
    def record_if_declared(
        self, command: str, values: "Mapping[str, object] | None" = None
    ) -> None:
        """Record that `command` ran; one that the contract does not list is no mistake here.

        For integrations: they see every command of a program, of which a contract lists a few. What
        comes back from a command in a fork of the process that began it is not recorded again.
        """
        if self._process in (0, os.getpid()):
            self._record(command, values)

    def _record(self, command: str, values: "Mapping[str, object] | None") -> None:
        given, self._values = {**self._values, **(values or {})}, {}
        if self.verbose or self.strict or not self._is_plain_no():
            from askfirst.client import recording

            recording.record(self, command, given)

    def run_command(self, argv: "Sequence[str]") -> int:
        """Run `<tool> telemetry …`; `argv` begins behind `telemetry`. Returns an exit code."""
        from askfirst.client import commands

        return commands.run(self, list(argv))

    def contract(self) -> "Contract":
        """Return the contract in force. Raises ContractError."""
        places = self.places()
        return self.source.contract("" if places is None else places.folder)

    def places(self) -> "paths.Places | None":
        """Return where this tool's files are, or None if there is no home for them."""
        name, state = self.source.name_and_state()
        return paths.find(name, state, self.env)

    def at_exit(self, end: "Callable[[], None]") -> None:
        """Have `end` called where the process ends; under askfirst.testing, where a test does."""
        import atexit

        atexit.register(end)

    def _check(self, values: "Mapping[str, object]", command: "str | None" = None) -> None:
        from askfirst.client import mistakes

        mistakes.check(self.contract(), values, command)

    def _is_plain_no(self) -> bool:
        """Tell, at the least cost, that `consent.decide` could only say No.

        Where no `true` stands in the dotfile there is no Yes in it. Most users never said Yes, and
        they must not pay for those who did. False means: decide.
        """
        places = self.places()
        name = self.source.name_and_state()[0]
        if self.env.get(name.upper().replace("-", "_") + "_TELEMETRY"):
            return False  # it may ask for the event to be printed
        raw = b"" if places is None else paths.read_file(places.dotfile, MOST_BYTES)
        return raw is not None and b"true" not in raw and b'"erasing"' not in raw


def _is_terminal() -> bool:
    """Tell whether there is somebody to ask."""
    try:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return False
        terminal = sys.stdin.fileno()
    except (AttributeError, ValueError):  # None under pythonw, or closed
        return False
    if sys.platform == "win32":
        return True
    try:
        # a job started with & would be stopped as soon as it touched the terminal
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # a terminal without job control
        return True
