"""For the tests of an instrumented program: a pytest plugin, loaded wherever askfirst is installed.

This process, and every child with its environment, sends and asks nothing and touches no answer of
whoever runs the tests. What `_Suite.close` replaces stays so.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, overload
from weakref import WeakSet

import pytest

from askfirst import Telemetry
from askfirst.client import Places, dotfile, queue, recording, sender, spawn
from askfirst.client.consent import CI_VARIABLES
from askfirst.contract import sampling
from askfirst.contract.event import flatten, new_installation, now_ms
from askfirst.contract.jsontext import loads
from askfirst.contract.version import is_released
from askfirst.usual import hash_text

if TYPE_CHECKING:
    from typing import NoReturn

__all__ = ["Recorded", "RecordedEvent", "askfirst_recorded"]

Consent = Literal["given", "refused", "undecided"]

NOBODY = {"ASKFIRST_TELEMETRY": "0"}  # what telemetry sees outside the fixture: not even a home
NOWHERE = "http://127.0.0.1:0"  # nothing can listen on port 0
TODAY = "2026-01-01"  # when the made-up answers were given; nothing depends on it


@dataclass(frozen=True)
class RecordedEvent:
    """One command that was recorded.

    `fields` are the values that would leave the machine, by their declared names; `given` the raw
    ones, or None from another process. `line` is the JSON text that would be sent, byte for byte.
    """

    command: str
    version: str
    fields: dict[str, object]
    given: dict[str, object] | None
    line: bytes


class Recorded(Sequence[RecordedEvent]):
    """What a test's commands recorded, oldest first; the fixture `askfirst_recorded`.

    Strict while it is in use. A version under development counts as the release that it leads to.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._consent: Consent = "given"
        self._tools: dict[str, tuple[Telemetry, Places]] = {}
        self._given: dict[str, dict[str, object]] = {}

    @property
    def consent(self) -> Consent:
        """What the user has answered, to every tool; may be set at any time."""
        return self._consent

    @consent.setter
    def consent(self, answer: Consent) -> None:
        if answer not in get_args(Consent):
            raise ValueError(f"{answer!r} is no answer; use one of {', '.join(get_args(Consent))}")
        self._consent = answer
        for telemetry, places in self._tools.values():
            self._answer(telemetry, places)

    @property
    def commands(self) -> list[str]:
        """The commands alone, oldest first."""
        return [event.command for event in self]

    @overload
    def __getitem__(self, at: int) -> RecordedEvent: ...
    @overload
    def __getitem__(self, at: slice) -> list[RecordedEvent]: ...
    def __getitem__(self, at: int | slice) -> RecordedEvent | list[RecordedEvent]:
        return self._events()[at]

    def __len__(self) -> int:
        return len(self._events())

    def __repr__(self) -> str:
        return f"Recorded({self._events()!r})"

    def run(self, main: Callable[..., Any], *args: object) -> int:
        """Run a whole program as `sys.exit(main(*args))` would, and return its exit code.

        For programs whose end counts, as with argparse. An exception that is not SystemExit passes,
        and counts as a failure of the command.
        """
        with _suite().process() as outcome:
            try:
                sys.exit(main(*args))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                if isinstance(end.code, str):
                    print(end.code, file=sys.stderr)  # noqa: T201 - as the interpreter does
                outcome.well = code == 0
                return code

    def env(self, telemetry: Telemetry) -> dict[str, str]:
        """Return an environment in which a child process records into this test's folder.

        This process's own, with another home, strict, without what turns telemetry off (CI and the
        like), and with the answers to `telemetry`'s tool as `consent` says. Raises ValueError for a
        version of which a child could record nothing.
        """
        version = telemetry.__dict__["version"]  # the program's own, not the one shown to it here
        if not is_released(version):
            raise ValueError(
                f"{version!r} is not a released version, so a child of it records nothing; run a "
                "child of a released version, and pass a Telemetry that was made with that version"
            )
        places = telemetry.places()
        assert places is not None
        Path(places.folder).mkdir(parents=True, exist_ok=True)
        tomorrow = now_ms() + 86_400_000
        spawn.write_schedule(places.folder, tomorrow, 0)  # so that no child starts a sender
        own = telemetry.contract().name.upper().replace("-", "_") + "_TELEMETRY"
        hidden = {*CI_VARIABLES, "DO_NOT_TRACK", "ASKFIRST_TELEMETRY", own}
        hidden |= {"XDG_CONFIG_HOME", "XDG_STATE_HOME"}
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        return {**kept, **self.surroundings(), "ASKFIRST_STRICT": "1"}

    def surroundings(self) -> dict[str, str]:
        """Return the part of the environment that telemetry looks at."""
        home = self.home
        return {
            "HOME": str(home),
            "USERPROFILE": str(home),
            "APPDATA": str(home / "AppData" / "Roaming"),
            "LOCALAPPDATA": str(home / "AppData" / "Local"),
            "ASKFIRST_COLLECTOR": NOWHERE,
        }

    def meet(self, telemetry: Telemetry, places: Places) -> None:
        """Answer for a tool when it is first seen."""
        if places.dotfile not in self._tools:
            # its contract first, so that one that cannot be used raises at every use of it
            telemetry.source.contract()
            self._tools[places.dotfile] = telemetry, places
            self._answer(telemetry, places)

    def keep(self, event: str, given: Mapping[str, object]) -> None:
        """Keep the raw values of an event by its id."""
        self._given[event] = dict(given)

    def _answer(self, telemetry: Telemetry, places: Places) -> None:
        if self._consent == "given":
            contract = telemetry.source.contract()
            dotfile.agree(places.dotfile, telemetry.version, contract, TODAY)
            path, own = Path(places.dotfile), dotfile.read(places.dotfile).installation
            path.write_text(path.read_text().replace(own, _installation(contract.sample)))
        elif self._consent == "refused":
            dotfile.refuse(places.dotfile, telemetry.version, TODAY)
        else:
            Path(places.dotfile).unlink(missing_ok=True)

    def _events(self) -> list[RecordedEvent]:
        _suite().settle()
        order = list(self._given)

        def when(event: RecordedEvent) -> tuple[int, int]:
            wire: Any = loads(event.line.decode("ascii"))
            return wire["timestamp"], order.index(wire["id"]) if wire["id"] in order else 0

        folders = [places.folder for _, places in self._tools.values()]
        lines = [line for folder in folders for _, line in queue.waiting(folder)]
        return sorted(map(self._event, lines), key=when)

    def _event(self, line: bytes) -> RecordedEvent:
        wire: Any = loads(line.decode("ascii"))
        leaves = flatten(wire)
        event, command, version = (str(leaves.pop(n)) for n in ("id", "cli.command", "cli.version"))
        for name in ("installationId", "timestamp"):
            del leaves[name]
        return RecordedEvent(command, version, leaves, self._given.get(event), line)


@dataclass
class _Outcome:
    """How a process ended."""

    well: bool = False


class _Suite:
    """What is closed in this process, and what a test records."""

    def __init__(self) -> None:
        self.recorded: Recorded | None = None
        self._seen: WeakSet[Telemetry] = WeakSet()
        self._pending: list[Callable[[bool], None]] = []
        self._is_process = False

    def close(self) -> None:
        """Put this suite between every `Telemetry` and the world."""
        telemetry_class: Any = Telemetry
        telemetry_class.env = _shown("env", self._env)
        telemetry_class.strict = _shown("strict", self._strict)
        telemetry_class.version = _shown("version", self._version)
        find, form = Telemetry.places, recording.form

        def ask(telemetry: Telemetry) -> None:
            self._seen.add(telemetry)
            self.settle()  # a program begins, so the one before is over
            if self.recorded is not None:
                telemetry.places()

        def at_exit(_: Telemetry, end: Callable[[bool], None]) -> None:
            self._pending.append(end)

        def places(telemetry: Telemetry) -> Places | None:
            found = find(telemetry)
            self._seen.add(telemetry)
            if self.recorded is not None and found is not None:
                self.recorded.meet(telemetry, found)
            return found

        def formed(
            telemetry: Telemetry, command: str, values: Mapping[str, object], installation: str
        ) -> Any:
            event = form(telemetry, command, values, installation)
            if self.recorded is not None:
                self.recorded.keep(event.id, values)
            return event

        telemetry_class.ask, telemetry_class.at_exit = ask, at_exit
        telemetry_class.places = places
        recording.form = formed
        # the two ways out; whatever else failed, nothing leaves
        ways: Any = spawn, sender.Sender
        ways[0].start, ways[1].run = _start_nothing, _send_nothing
        os.environ.update(NOBODY)  # for children

    @contextmanager
    def recording(self, recorded: Recorded) -> Iterator[Recorded]:
        """Record for one test, as if each program of it started afresh."""
        self._pending.clear()
        for telemetry in self._seen:
            telemetry.forget(verbose=False)  # also what a command set that failed in another test
        self.recorded = recorded
        try:
            yield recorded
            self.settle()
        finally:
            self.recorded = None

    @contextmanager
    def process(self) -> Iterator[_Outcome]:
        """Take what runs inside for one process, however often it asks or parses."""
        self.settle()
        self._is_process = True
        outcome = _Outcome()
        try:
            yield outcome
        finally:
            self._is_process = False
            self.settle(well=outcome.well)

    def settle(self, *, well: bool = True) -> None:
        """Do what the programs that ran until now would do where their process ends.

        `well` is false where that was seen to fail.
        """
        if not self._is_process:
            while self._pending:
                self._pending.pop()(well)

    def _env(self, _: object) -> Mapping[str, str]:
        return NOBODY if self.recorded is None else self.recorded.surroundings()

    def _strict(self, own: bool) -> bool:
        return own or self.recorded is not None

    def _version(self, own: str) -> str:
        return own if self.recorded is None else _release(own)


@functools.cache
def _suite() -> _Suite:
    """Return the suite of this process, closed when first asked for."""
    suite = _Suite()
    suite.close()
    return suite


@functools.cache
def _installation(sample: float) -> str:
    """Return the UUID of an installation in a sample."""
    while True:
        uuid = new_installation()
        if sampling.takes_part(sample, hash_text(uuid, uuid)):
            return uuid


def _shown(name: str, show: Callable[[Any], object]) -> property:
    """Return a property that keeps what a program sets, and shows what `show` makes of it."""

    def get(telemetry: Telemetry) -> object:
        return show(telemetry.__dict__[name])

    def keep(telemetry: Telemetry, value: object) -> None:
        telemetry.__dict__[name] = value

    return property(get, keep)


def _release(version: str) -> str:
    """Return the release that a version under development leads to; else the version."""
    from askfirst.client.mistakes import is_misspelled

    if is_released(version) or is_misspelled(version):
        return version
    numbers = re.match(r"\d+(\.\d+){1,3}", version)
    found = numbers.group() if numbers else ""
    return found if is_released(found) else "1.0.0"


def _start_nothing(_work: object, _contract: object, _env: object) -> int:
    return 0


def _send_nothing(_sender: object, _patience: float = 0) -> NoReturn:
    raise ConnectionRefusedError(
        errno.ECONNREFUSED, "nothing is delivered in a test (askfirst.testing)", "the collector"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Close the door before any code of the suite is imported."""
    _suite()


def pytest_configure() -> None:
    """Close it where a conftest.py loads this plugin too."""
    _suite()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """End the programs that a test ran, also without the fixture."""
    _suite().settle()


@pytest.fixture
def askfirst_recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """What this test's commands record; the user said Yes unless the test says otherwise."""
    with _suite().recording(Recorded(tmp_path_factory.mktemp("askfirst"))) as recorded:
        yield recorded
