"""What a run loads, and what it asks of the system: the countable part of what the client costs.

CPU time is measured in bench/. An import or a call that creeps into a usual run is named here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import askfirst
from askfirst import Telemetry
from askfirst.client import dotfile, spawn
from askfirst.contract.event import now_ms
from askfirst.contract.loading import load
from tests.client.program import PROGRAMS
from tests.client.terminal import Terminal

SOURCE = str(Path(askfirst.__file__).parents[1])
CONTRACT = PROGRAMS / "telemetry.toml"
EVERY = 3600
RUNS = ("undecided", "refused", "consenting", "due")

# a host that has `os`, as every program has that was started with the module `site`
BARE = """
import os, sys
sys.path.append({source!r})

def run():
    from askfirst import Telemetry
    telemetry = Telemetry.from_contract({contract!r}, version="1.0.0")
    telemetry.ask()
    telemetry.record("start", {{"application.name": "chat", "size": 12, "runtime": "1.2.3"}})
"""

CLICK = """
import os, sys
sys.path.append({source!r})
import click

@click.group()
def cli(): pass

@cli.command()
def start():
    if telemetry is not None:
        telemetry.set({{"application.name": "chat", "size": 12, "runtime": "1.2.3"}})

telemetry = None
cli.main(["start"], standalone_mode=False)

def run():
    global telemetry
    from askfirst import Telemetry
    from askfirst.integrations.click import instrument
    telemetry = Telemetry.from_contract({contract!r}, version="1.0.0")
    instrument(cli, telemetry)
    cli.main(["start"], standalone_mode=False)
"""

LOADED = """
before = set(sys.modules)
run()
added = sorted(set(sys.modules) - before)
import json
print(json.dumps(added))
"""

CALLED = """
run()
for name in {modules!r}:
    __import__(name)
due()
os.access("/begin", os.F_OK)
run()
os.access("/end", os.F_OK)
"""

DUE = """
def due():
    if {due}:
        os.unlink({schedule!r})
"""

SHA = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
NO_YES = {"askfirst"}
SENDS = ("folders", "lock", "spawn")
A_YES = NO_YES | {"askfirst.usual", SHA, "fcntl"}
MODULES = {
    "undecided": NO_YES,
    "refused": NO_YES,
    "consenting": A_YES,
    "due": A_YES | {"askfirst.client"} | {f"askfirst.client.{name}" for name in SENDS},
}
OF_CLICK = {"askfirst.integrations", "askfirst.integrations.click"}

_LOOK = ["open", "fstat", "read", "close"]
_BEGIN = ["getpid", "ioctl", *_LOOK]  # who runs this, is there a terminal, what is the tool's name
_QUEUE = ["open", "flock", "fstat", "stat", "write", "close"]
CALLS = {
    "undecided": [*_BEGIN, "open"],
    "refused": [*_BEGIN, *_LOOK],
    # whose home is it; what is remembered; a random id; the queue; is a delivery due
    "consenting": [
        *_BEGIN,
        *_LOOK,
        *("stat", "geteuid"),
        *_LOOK,
        "getrandom",
        *_QUEUE,
        *_LOOK,
    ],
}
CALLS["due"] = [
    *CALLS["consenting"][:-3],  # there is no schedule
    # it is due for this process alone, and for an hour; the contract is what the sender reads
    *("stat", "mkdir", "open", "fstat", "flock", "read", "lseek", "write", "ftruncate", "close"),
    *("open", "clone", "close"),
]

_CALL = re.compile(r"^(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)$")
# of memory and signals, and what the C library looks up before it starts a process
_LIBRARY = ("prlimit64", "brk", "mmap", "munmap", "mremap", "madvise", "mprotect", "futex")
_SAME = {"openat": "open", "clone3": "clone", "vfork": "clone", "lstat": "stat"}


class Home:
    """Where one user runs a program; it was run once, so what can be remembered is."""

    def __init__(self, path: Path, run: str) -> None:
        self.env = {"HOME": str(path), "ASKFIRST_COLLECTOR": "http://127.0.0.1:9"}
        self.state = path / ".local/state/askfirst/tin"
        self.is_due = run == "due"
        self._known = {
            "source": SOURCE,
            "contract": str(CONTRACT),
            "schedule": str(self.state / spawn.SCHEDULE),
            "due": self.is_due,
            "modules": sorted(MODULES[run]),
        }
        if run == "refused":
            dotfile.refuse(str(path / ".tin"), "1.0.0", "2026-11-01")
        elif run != "undecided":
            dotfile.agree(str(path / ".tin"), "1.0.0", load(CONTRACT), "2026-11-01")
            self.state.mkdir(parents=True)
            self.not_due()
            Telemetry(str(CONTRACT), "1.0.0", env=self.env).record("start")

    def not_due(self) -> None:
        spawn.write_schedule(str(self.state), now_ms() + EVERY * 1000, 0)

    def python(self, program: str, flags: tuple[str, ...], *before: str) -> str:
        """Run a program, and return what it printed."""
        done = subprocess.run(
            [*before, sys.executable, *flags, "-c", program.format(**self._known)],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    def loads(self, host: str, *flags: str) -> set[str]:
        """The modules that a run adds to what a host has loaded."""
        if self.is_due:
            (self.state / spawn.SCHEDULE).unlink()
        return set(json.loads(self.python(host + LOADED, flags)))

    def calls(self, trace: Path) -> list[str]:
        """The calls of a run whose modules are loaded, by the names used above."""
        self.python(BARE + DUE + CALLED, ("-I", "-S"), "strace", "-f", "-o", str(trace))
        found = [call for call in map(_CALL.match, trace.read_text().splitlines()) if call]
        own = [call for call in found if call["pid"] == found[0]["pid"]]
        begin, end = (
            next(at for at, call in enumerate(own) if f'"{mark}"' in call["rest"])
            for mark in ("/begin", "/end")
        )
        names = [_name(call) for call in own[begin + 1 : end]]
        return [name for name in names if name not in _LIBRARY and not name.startswith("rt_sig")]


def _name(call: re.Match[str]) -> str:
    name = call["name"]
    if name == "newfstatat":
        return "fstat" if "AT_EMPTY_PATH" in call["rest"] else "stat"
    return _SAME.get(name, name)


@pytest.fixture(params=RUNS)
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Home:
    return Home(tmp_path, request.param)


@pytest.fixture
def run(home: Home, request: pytest.FixtureRequest) -> str:
    name: str = request.node.callspec.params["home"]
    return name


def test_a_bare_program_loads_these_modules_and_no_others(home: Home, run: str) -> None:
    assert home.loads(BARE, "-I", "-S") == MODULES[run]


def test_a_click_program_loads_these_modules_and_no_others(home: Home, run: str) -> None:
    """Of the standard library perhaps none: click has loaded much of it."""
    added = home.loads(CLICK, "-I")
    assert {name for name in added if name.startswith("askfirst")} == OF_CLICK | {
        name for name in MODULES[run] if name.startswith("askfirst")
    }
    assert added <= OF_CLICK | MODULES[run]


@pytest.mark.parametrize("answer", ["refused", "consenting"])
def test_at_a_terminal_an_answer_saves_deciding_anew(tmp_path: Path, answer: str) -> None:
    """Who said Yes to all, or No to this version, loads no more than anywhere else."""
    home = Home(tmp_path, answer)
    out = tmp_path / "out"
    program = (BARE + LOADED).format(source=SOURCE, contract=str(CONTRACT))
    terminal = Terminal(
        [sys.executable, "-I", "-S", "-c", program], {**home.env, "TERM": "xterm"}, stdout=str(out)
    )
    try:
        assert terminal.finish() == 0
    finally:
        terminal.close()
    assert set(json.loads(out.read_text())) == MODULES[answer]
    assert terminal.text == ""


@pytest.mark.needs("strace")
def test_a_run_makes_these_calls_and_no_others(home: Home, run: str, tmp_path: Path) -> None:
    """No socket, no connection, no waiting for a child; nothing but what stands above."""
    assert home.calls(tmp_path / "trace") == CALLS[run]
