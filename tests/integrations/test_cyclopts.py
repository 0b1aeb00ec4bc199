"""One line in a cyclopts program: what is recorded, and that the program stays what it was."""

from __future__ import annotations

import json

import pytest

from tests.client.program import Program
from tests.integrations.seeing import is_seen_in, seen

WELL = {
    ("start",): ["start"],
    ("go",): ["start"],  # an alias
    ("start", "label", "--into", "y"): ["start"],
    ("db", "migrate"): ["db migrate"],  # asynchronous
    ("db", "migrate", "17"): ["db migrate"],
    ("status",): ["status"],
    ("status", "deep"): [],
    ("fail", "true"): ["fail"],
    ("fail", "none"): ["fail"],
    ("fail", "a result"): ["fail"],
    ("fail", "exit0"): ["fail"],
    ("number", "0"): ["number"],
    ("read",): [],
    ("--version",): [],
    ("pass-on", "--verbose", "-x"): ["pass-on"],
    ("say",): ["say"],
}
BROKEN = [
    ["fail", "error"],
    ["fail", "interrupt"],
    ["fail", "false"],
    ["fail", "exit2"],
    ["fail", "text"],
    ["number", "3"],
    ["number", "x"],
    ["fail"],
    ["start", "--unknown"],
    ["start", "a", "b"],
    ["nothing"],
]
ACTIONS = ["return_value", "print_non_int_return_int_as_exit_code", "return_zero", "sys_exit_zero"]
WAYS = [{}, {"META": "1"}, {"META": "1", "PARSE": "1"}, {"ASYNC": "1"}]


@pytest.fixture
def program(program: Program) -> Program:
    program.source = "cyclopts_tool.py"
    program.declare('commands = ["start",', 'commands = ["start", "say", "number",')
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


@pytest.mark.parametrize("env", WAYS, ids=lambda env: " ".join(env) or "app")
def test_ways_to_run(program: Program, env: dict[str, str]) -> None:
    """By a meta app, one that parses for itself, and in a running event loop."""
    program.agree()
    for words, recorded in {
        ("start", "label"): ["start"],
        ("fail", "false"): [],
        ("fail", "exit1"): [],
        ("nothing",): [],
        ("--version",): [],
    }.items():
        assert seen(program.run(*words, **env)) == seen(program.run(*words, **env, PLAIN="1"))
        assert program.commands()[-1:] == (recorded or program.commands()[-1:])
    assert program.commands() == ["start"]
    run = program.run("go", "--verbose", **env)
    assert run.stderr.encode().splitlines()[1] == program.queued()[1]
    assert "on: you said Yes" in program.run("telemetry", **env).stdout
    run, plain = program.run("--help", **env), program.run("--help", **env, PLAIN="1")
    assert is_seen_in(plain.stdout, run.stdout)
    assert program.commands() == ["start", "start"]


def test_an_option_before_the_command(program: Program) -> None:
    """An option of the meta app, and `--verbose` before or behind it, hide no command."""
    program.agree()
    program.run("--config", "db", "start", META="1")
    program.run("--verbose", "--config", "db", "start", META="1")
    assert program.commands() == ["start", "start"]


@pytest.mark.parametrize("action", ACTIONS)
def test_what_becomes_of_results(program: Program, action: str) -> None:
    """Results and exit codes are the program's; what it makes a success is recorded as one."""
    program.agree()
    for words in (["start"], ["fail", "false"], ["fail", "a result"], ["number", "3"]):
        run = program.run(*words, ACTION=action)
        assert seen(run) == seen(program.run(*words, ACTION=action, PLAIN="1"))
    is_zero = action.endswith("_zero")
    assert program.commands() == (
        ["start", "fail", "fail", "number"] if is_zero else ["start", "fail"]
    )


def test_a_default_command_beside_others(program: Program) -> None:
    """The root's default command is recorded by the root's name; no command at all is none."""
    program.agree()
    assert seen(program.run()) == seen(program.run("--help"))
    source = program.folder / program.source
    source.write_text(
        source.read_text().replace("@app.command\ndef number", "@app.default\ndef number")
    )
    assert program.run("0").returncode == 0
    assert [json.loads(event)["cli"]["command"] for event in program.queued()] == ["tin"]
