"""argparse programs that go on after a command, or after a `sys.exit` that they caught."""

from __future__ import annotations

import json

import pytest

from tests.client.program import Program

BATCH = """
import argparse, sys
from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.0.0")

def build():
    parser = argparse.ArgumentParser("tin")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("start").add_argument("how")
    commands.add_parser("status")
    instrument(parser, telemetry)
    return parser

same = build() if sys.argv[1] == "same" else None

def main(words):
    given = (same or build()).parse_args(words)
    if given.command == "start":
        telemetry.set({"colour": "red"})
        if given.how == "returned":
            return 1
        sys.exit(int(given.how))
    return 0

for line in sys.argv[2:]:
    try:
        main(line.split())
    except SystemExit:
        pass
sys.exit(0)
"""

CAUGHT = """
import argparse, sys
from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.0.0")
parser = argparse.ArgumentParser("tin")
parser.add_subparsers(required=True).add_parser("start").add_argument("code")
instrument(parser, telemetry)
code = parser.parse_args().code
try:
    sys.exit(0)  # as the `main` of another tool
except SystemExit:
    pass
if code:
    raise SystemExit(int(code))
"""


@pytest.fixture
def program(program: Program) -> Program:
    program.source = "goes_on.py"
    program.agree()
    return program


@pytest.mark.parametrize(
    ("parser", "lines", "recorded"),
    [
        ("new", ["start 1", "status"], [("status", None)]),
        ("same", ["start 1", "status"], [("status", None)]),
        ("new", ["start returned", "status"], [("status", None)]),
        ("new", ["start 0", "status"], [("start", "red"), ("status", None)]),
        ("same", ["start 0", "start 1"], [("start", "red")]),
    ],
    ids=str,
)
def test_a_file_of_commands(
    program: Program, parser: str, lines: list[str], recorded: list[tuple[str, str | None]]
) -> None:
    """What failed is not recorded when the next ends well, nor is what it set given to that."""
    (program.folder / program.source).write_text(BATCH)
    assert program.run(parser, *lines).returncode == 0
    events = [json.loads(event) for event in program.queued()]
    assert [(event["cli"]["command"], event.get("colour")) for event in events] == recorded


@pytest.mark.parametrize(("code", "recorded"), [("3", []), ("", ["start"])], ids=str)
def test_a_status_that_was_caught_is_not_how_it_ended(
    program: Program, code: str, recorded: list[str]
) -> None:
    (program.folder / program.source).write_text(CAUGHT)
    assert program.run("start", code).returncode == int(code or 0)
    assert program.commands() == recorded


@pytest.mark.parametrize("source", ["argparse_tool.py", "argparse_single.py"])
def test_a_no_loads_the_least_and_reads_no_toml(program: Program, source: str) -> None:
    """Until a Yes, a program loads `askfirst`, the integration, and nothing else of ours."""
    program.source = source
    program.dotfile.unlink()
    program.refuse()
    file = program.folder / source
    text = "import atexit, sys\natexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\n"
    file.write_text(text + file.read_text())
    run = program.run("start")
    assert run.returncode == 0
    ours = {name for name in run.stderr.split() if name.startswith("askfirst")}
    assert ours == {"askfirst", "askfirst.integrations", "askfirst.integrations.argparse"}
