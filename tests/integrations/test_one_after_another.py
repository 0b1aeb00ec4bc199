"""Several commands in one process, as in a shell of a program's own: each is told for itself."""

from __future__ import annotations

import json

import pytest

from tests.client.program import Program

SHELL = """
import os, sys
import {framework}_tool as tool
from askfirst.integrations.{framework} import instrument

root = tool.cli if "{framework}" == "click" else tool.app
instrument(root, tool.telemetry)
for words in {lines}:
    try:
        root(words)
    except SystemExit:
        pass
    os.environ.pop("VALUES", None)
"""


@pytest.fixture(params=["click", "typer", "cyclopts"])
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def run(program: Program, framework: str, *lines: list[str], before: str = "", **env: str) -> str:
    """Run commands one after another; return what is on stderr."""
    program.agree()
    program.source = "shell.py"
    text = SHELL.replace("for words", before + "\nfor words")
    text = text.format(framework=framework, lines=list(lines))
    (program.folder / program.source).write_text(text)
    done = program.run(**env)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_what_a_failed_command_set_is_not_the_next_ones(program: Program, framework: str) -> None:
    """What a program gave before its first command is that command's, and goes with it."""
    run(
        program,
        framework,
        ["fail", "text"],
        ["status"],
        before='tool.telemetry.set({{"application.name": "chat"}})',
    )
    [event] = map(json.loads, program.queued())
    assert event["cli"]["command"] == "status"
    assert event.keys() == {"id", "installationId", "timestamp", "cli"}


def test_what_a_command_set_is_sent_with_it(program: Program, framework: str) -> None:
    run(program, framework, ["start"], ["status"], VALUES='{"colour": "red"}')
    assert [json.loads(event).get("colour") for event in program.queued()] == ["red", None]


def test_verbose_is_for_one_command(program: Program, framework: str) -> None:
    """`--verbose` shows what one command queues; the program's own choice stays."""
    commands = [["start", "--verbose"], ["start"], ["status"]]
    assert run(program, framework, *commands).count("telemetry: queued for") == 1
    (program.folder / "shell.py").write_text(
        (program.folder / "shell.py")
        .read_text()
        .replace("for", "tool.telemetry.verbose = True\nfor", 1)
    )
    assert program.run().stderr.count("telemetry: queued for") == 3
