"""One line in a typer program: what is recorded, and that the program stays what it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.client.program import Program
from tests.integrations.seeing import seen

WELL = {
    ("start",): ["start"],
    ("--config", "x", "start", "label", "--into", "y"): ["start"],
    ("db", "migrate"): ["db migrate"],
    ("db", "migrate", "17"): ["db migrate"],
    ("status",): ["status"],
    ("status", "deep"): [],
    ("fail", "exit0"): ["fail"],
    ("fail", "0"): ["fail"],
    ("fail", ""): ["fail"],
    ("read",): [],
    ("--version",): [],
    ("pass-on", "--verbose", "-x"): ["pass-on"],
    ("say",): ["say"],
}
BROKEN = [
    ["fail", "error"],
    ["fail", "usage"],
    ["fail", "abort"],
    ["fail", "interrupt"],
    ["fail", "exit2"],
    ["fail", "1"],
    ["fail", "text"],
    ["fail"],
    ["start", "--unknown"],
    ["start", "a", "b"],
    ["nothing"],
    ["db"],
    [],
]


@pytest.fixture
def program(program: Program) -> Program:
    program.source = "typer_tool.py"
    program.declare('commands = ["start",', 'commands = ["start", "say",')
    return program


@pytest.mark.parametrize(("words", "recorded"), WELL.items(), ids=" ".join)
def test_what_ends_well(program: Program, words: tuple[str, ...], recorded: list[str]) -> None:
    """A declared command that ends well is recorded, by its place in the apps."""
    plain = program.run(*words, PLAIN="1")
    assert seen(program.run(*words)) == seen(plain)
    assert program.files() == [], "nobody has been asked"
    program.agree()
    assert seen(program.run(*words)) == seen(plain)
    assert plain.returncode == 0, plain.stderr
    assert program.commands() == recorded


@pytest.mark.parametrize("words", BROKEN, ids=" ".join)
def test_what_fails(program: Program, words: list[str]) -> None:
    """A command that fails is not recorded, and fails as it would without telemetry."""
    program.agree()
    run = program.run(*words)
    assert run.returncode != 0
    assert program.commands() == []
    assert seen(run) == seen(program.run(*words, PLAIN="1"))


def test_the_click_command_of_an_app(program: Program) -> None:
    """`typer.main.get_command(app)` is what documentation tools and tests call."""
    program.agree()
    run = program.run("db", "migrate", COMMAND="1")
    assert seen(run) == seen(program.run("db", "migrate", COMMAND="1", PLAIN="1"))
    assert program.commands() == ["db migrate"]


def test_an_app_within_an_app_is_no_root(program: Program) -> None:
    """An instrumented app that another program adds to its own is that program's, not ours."""
    program.agree()
    code = "import typer_tool as t, typer; t.instrument(t.app, t.telemetry); a = typer.Typer()\n"
    code += "a.callback()(lambda: None); a.add_typer(t.app, name='inner'); a()"
    argv = [sys.executable, "-c", code, "inner", "start"]
    env = {**program.env, "PYTHONPATH": f"{program.folder}:{program.env['PYTHONPATH']}"}
    run = subprocess.run(argv, env=env, capture_output=True, text=True, check=True)
    assert run.stdout == "started\n"
    assert program.queued() == []


def test_click_is_not_imported(program: Program) -> None:
    """typer has a click of its own, and a program on typer need not have the other."""
    code = "import sys, typer, askfirst.integrations.typer as t\n"
    code += "print(sorted({m.partition('.')[0] for m in sys.modules} & {'click', 'cyclopts'}))"
    argv = [sys.executable, "-c", code]
    run = subprocess.run(argv, env=program.env, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
