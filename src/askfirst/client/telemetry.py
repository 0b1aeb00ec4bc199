"""Telemetry: the one object an author meets."""

import os
import sys

from askfirst.client import dotfile, paths
from askfirst.client.consent import Decision, decide
from askfirst.client.guard import guarded
from askfirst.client.source import Source
from askfirst.contract.event import (
    Event,
    MalformedError,
    UndeclaredError,
    form,
    new_id,
    new_installation,
    now_ms,
    treat,
)
from askfirst.contract.version import is_released, without_build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from askfirst.contract.model import Contract

DELIVER_EVERY = 3600  # seconds


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
        self.version = without_build(version)
        self.deliver_every = deliver_every
        self.strict = strict
        self.verbose = False
        self.env: Mapping[str, str] = os.environ if env is None else env
        self._values: dict[str, object] = {}

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
            path = os.path.join(os.path.dirname(os.path.abspath(caller.get("__file__", "x"))), path)
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
        places = self.places()
        if places is None or not _is_terminal():
            return
        decision = self.decide(terminal=True)
        if decision.reason == "erasing":
            self._deliver_if_due(places)
        if not decision.ask or not dotfile.is_writable(places.dotfile):
            return
        from askfirst.client import commands, prompt

        if prompt.ask(self.contract(), self.env):
            dotfile.agree(places.dotfile, self.version, self.contract(), commands.today())
        else:
            commands.refuse(places, self.version)

    @guarded
    def set(self, values: "Mapping[str, object]") -> None:
        """Give fields of the command that runs, any time before it ends."""
        if self.strict:
            for name in values:
                if name not in self.contract().fields:
                    raise UndeclaredError(f"the contract declares no field {name!r}")
        self._values.update(values)

    @guarded
    def record(self, command: str, values: "Mapping[str, object] | None" = None) -> None:
        """Record that `command` ran, with the fields given here and to `set`.

        Does nothing unless there is a Yes that covers the contract. Appends to a local queue;
        starts a detached sender if a delivery is due; never waits for either.
        """
        given, self._values = {**self._values, **(values or {})}, {}
        decision = self.decide(terminal=False)
        places = self.places()
        if not decision.send:
            if decision.log or self.verbose:
                self._say_unsent(decision, command, given)
            if decision.reason == "erasing" and places is not None:
                self._deliver_if_due(places)
            return
        if places is None or command not in self.contract().commands:
            return
        if not is_released(self.version):
            if self.verbose:
                _say(f"telemetry: nothing is recorded: {self.version} is not a released version.")
            return
        event = self.form(command, given, dotfile.read(places.dotfile).installation)
        line = event.encode()
        from askfirst.client import queue

        queue.append(places.folder, self.contract().digest, line)
        self.source.keep(places.folder)
        if self.verbose:
            from askfirst.client.spawn import collector_url

            collector = collector_url(self.contract(), self.env)
            _say(f"telemetry: queued for {collector}:\n{line.decode('ascii')}")
        self._deliver_if_due(places)

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

    def decide(self, *, terminal: bool) -> Decision:
        """Decide afresh whether events may be sent and whether to ask."""
        places = self.places()
        return decide(
            None if places is None else dotfile.read(places.dotfile),
            tool=self.source.name_and_state()[0],
            version=self.version,
            collects_more=self._collects_more,
            env=self.env,
            terminal=terminal,
        )

    def form(self, command: str, values: "Mapping[str, object]", installation: str) -> Event:
        """Form the event of a command. Raises as `contract.event.form` does, if strict."""
        contract = self.contract()
        given = dict(values)
        if not self.strict:
            # a field that its author got wrong costs that field, not the event
            given = {name: value for name, value in given.items() if _fits(contract, name, value)}
        timestamp = now_ms()
        return form(
            contract,
            command=command,
            version=self.version,
            installation=installation,
            values=given,
            id=new_id(timestamp),
            timestamp=timestamp,
        )

    def _collects_more(self, answer: "dict[str, object]") -> "list[str]":
        contract = self.contract()
        if answer.get("contract") == contract.digest:
            return []
        agreed = answer.get("agreed")
        return contract.collects_more_than(agreed if isinstance(agreed, dict) else None)

    def _deliver_if_due(self, places: "paths.Places") -> None:
        from askfirst.client import spawn

        spawn.deliver_if_due(self, places)

    def _say_unsent(self, decision: Decision, command: str, values: "Mapping[str, object]") -> None:
        if command not in self.contract().commands:
            return
        if decision.log and is_released(self.version):
            # made up for this one line: without a Yes there is no UUID on the machine
            event = self.form(command, values, new_installation())
            _say(event.encode().decode("ascii"))
        elif self.verbose:
            _say(f"telemetry: nothing is recorded: {decision.explain()}.")


def _fits(contract: "Contract", name: str, value: object) -> bool:
    field = contract.fields.get(name)
    if field is None or value is None:
        return False
    try:
        treat(field, value, "")
    except MalformedError:
        return False
    return True


def _say(text: str) -> None:
    """Write to stderr, if there is one."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 - asked for with --verbose or =log


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
