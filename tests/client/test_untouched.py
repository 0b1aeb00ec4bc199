"""Without a Yes the machine and the network stay as they were; strace is the witness."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.client.program import NO_SELECTED, Program
from tests.client.tracing import Trace

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("strace")

UUID = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE
)


@pytest.fixture
def trace(tmp_path: Path) -> Trace:
    return Trace(tmp_path / "trace")


def is_untouched(trace: Trace) -> bool:
    """Whether nothing was written, sent or started."""
    assert trace.network() == []
    assert trace.writes() == []
    assert trace.starts() == []
    return True


SILENT: dict[str, tuple[list[str], dict[str, str]]] = {
    "first run": (["start"], {}),
    "CI": (["start"], {"CI": "true"}),
    "DO_NOT_TRACK": (["start"], {"DO_NOT_TRACK": "1"}),
    "variable": (["start"], {"TIN_TELEMETRY": "off"}),
    "help": (["--help"], {}),
    "help of a command": (["start", "--help"], {}),
    "version": (["--version"], {}),
    "completion": (
        [],
        {"_TIN_COMPLETE": "bash_complete", "COMP_WORDS": "tin s", "COMP_CWORD": "1"},
    ),
    "failure": (["fail", "error"], {}),
    "verbose": (["start", "--verbose"], {}),
    "log": (["start"], {"TIN_TELEMETRY": "log"}),
    "status": (["telemetry", "status"], {}),
    "show": (["telemetry", "show"], {}),
    "sent": (["telemetry", "log"], {}),
}


@pytest.mark.parametrize(("words", "env"), SILENT.values(), ids=SILENT)
@pytest.mark.parametrize("source", ["click_tool.py", "argparse_tool.py"])
def test_before_an_answer(
    program: Program, trace: Trace, source: str, words: list[str], env: dict[str, str]
) -> None:
    """Who was not asked, or cannot be asked, has nothing written, sent or started."""
    program.source = source
    program.run(*words, before=trace.before, **env)
    assert is_untouched(trace)
    assert program.files() == []


@pytest.mark.parametrize(
    "env",
    [{"CI": "true"}, {"DO_NOT_TRACK": "1"}, {"ASKFIRST_TELEMETRY": "0"}, {"TIN_TELEMETRY": "no"}],
    ids=lambda env: "=".join(*env.items()),
)
def test_after_a_yes_the_environment_still_wins(
    program: Program, trace: Trace, env: dict[str, str]
) -> None:
    """A variable that says no outdoes the Yes on file."""
    program.agree()
    before = program.files()
    assert program.run("start", before=trace.before, **env).returncode == 0
    assert is_untouched(trace)
    assert program.files() == before


@pytest.mark.parametrize("source", ["click_tool.py", "argparse_tool.py"])
def test_after_a_no(program: Program, trace: Trace, source: str) -> None:
    """After a No typed at the question there is one file without an identifier, and that is all."""
    program.source = source
    program.answer("n")
    assert program.run("start", before=trace.before).stdout == "started\n"
    assert is_untouched(trace)
    terminal = program.terminal("start", before=trace.before)
    assert terminal.finish() == 0
    assert is_untouched(trace)
    assert program.files() == [".tin"]
    assert not UUID.search(program.dotfile.read_text())


def test_a_no_itself(program: Program, trace: Trace) -> None:
    """Answering No writes the one file, by way of a temporary one, and sends and starts nothing."""
    terminal = program.terminal("start", before=trace.before)
    terminal.expect(NO_SELECTED)
    terminal.send("\r")
    assert terminal.finish() == 0
    assert trace.network() == []
    assert trace.starts() == []
    writes = [call for call in trace.writes() if "EEXIST" not in call]
    assert len(writes) == 2, "a temporary file is made, and renamed"
    assert all(str(program.dotfile) in call for call in writes)
    assert program.files() == [".tin"]


def test_what_the_witness_sees(program: Program, trace: Trace) -> None:
    """After a Yes the same trace shows the queue, and the sender: another process does sockets."""
    program.agree()
    (program.state / "schedule").unlink()
    assert program.run("start", before=trace.before).stdout == "started\n"
    own = trace.calls()[0][0]
    assert any(f"{program.state}/queue" in call for call in trace.writes())
    assert len([call for call in trace.starts() if call.startswith("execve")]) == 1
    users = {pid for pid, name, _ in trace.calls() if name in ("socket", "connect")}
    assert users, "the sender tried to deliver"
    assert own not in users, "the host's process never touches the network"
