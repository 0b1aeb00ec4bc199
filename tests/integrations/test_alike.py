"""What holds in typer and cyclopts programs alike; click's and argparse's tests are their own."""

from __future__ import annotations

import json

import pytest

from tests.client.program import NO_SELECTED, Program
from tests.integrations.seeing import is_seen_in, seen

CANARY = "c4n4ry"


@pytest.fixture(params=["typer", "cyclopts"])
def framework(request: pytest.FixtureRequest) -> str:
    """The framework of the program."""
    name: str = request.param
    return name


@pytest.fixture
def program(program: Program, framework: str) -> Program:
    program.source = f"{framework}_tool.py"
    return program


@pytest.fixture
def single(program: Program, framework: str) -> Program:
    """A program that is one command."""
    program.source = f"{framework}_single.py"
    return program


def test_values(program: Program) -> None:
    """What is given with `set` is treated as the contract says; a mistake costs its field only."""
    program.agree()
    values = {"runtime": "2.0.0", "colour": "blue", "cold": "yes", "size": 42, "undeclared": "x"}
    run = program.run("start", VALUES=json.dumps(values))
    assert (run.returncode, run.stderr) == (0, "")
    [event] = map(json.loads, program.queued())
    assert event["runtime"] == "2.0.0"
    assert event["colour"] == "other"
    assert event["size"] == "10 to <100"
    assert event["cli"] == {"version": "1.0.0", "command": "start"}
    assert event.keys() == {"id", "installationId", "timestamp", "cli", "runtime", "colour", "size"}


def test_strict(program: Program) -> None:
    """With ASKFIRST_STRICT=1 a mistake of the author's raises."""
    program.agree()
    run = program.run("start", VALUES='{"undeclared": 1}', ASKFIRST_STRICT="1")
    assert run.returncode == 1
    assert "UndeclaredError: the contract declares no field 'undeclared'" in run.stderr
    assert program.queued() == []


def test_nothing_given_to_a_command_is_kept(program: Program) -> None:
    """No argument, option value or environment variable is in any file."""
    program.agree()
    program.run("start", CANARY, "--into", f"{CANARY}/x", CANARY=CANARY)
    program.run("start", VALUES=json.dumps({"application.name": CANARY, "colour": CANARY}))
    program.run("db", "migrate", CANARY)
    program.run("pass-on", CANARY, f"--{CANARY}")
    assert program.commands() == ["start", "start", "db migrate", "pass-on"]
    kept = [path.read_text() for path in program.home.rglob("*") if path.is_file()]
    assert not any(CANARY in text for text in kept)


def test_verbose_is_added(program: Program) -> None:
    """`--verbose` shows on stderr, byte for byte, the line that is queued."""
    program.agree()
    run = program.run("start", "--verbose")
    assert run.stdout == program.run("start", PLAIN="1").stdout
    first, shown, rest = run.stderr.split("\n")
    assert first == "telemetry: queued for http://127.0.0.1:9:"
    assert [shown.encode()] == program.queued()
    assert rest == ""


def test_verbose_says_why_nothing_is_recorded(program: Program) -> None:
    run = program.run("start", "--verbose")
    assert run.stderr == "telemetry: nothing is recorded: you have not been asked yet.\n"


def test_verbose_is_joined(program: Program) -> None:
    """A `--verbose` of the program's own keeps its meaning and shows telemetry too."""
    program.declare('commands = ["start",', 'commands = ["start", "say",')
    program.agree()
    assert program.run("say").stderr == ""
    run = program.run("say", "--verbose")
    assert run.stdout.startswith("LOUD\n")
    assert run.stderr.encode().splitlines()[1] == program.queued()[1]


def test_verbose_is_left_to_commands_that_hand_it_on(program: Program) -> None:
    """`tin pass-on npm --verbose` is npm's `--verbose`."""
    program.agree()
    run = program.run("pass-on", "npm", "--verbose")
    assert run.stdout.startswith("npm --verbose\n")
    assert run.stderr == ""


def test_log_prints_and_keeps_nothing(program: Program) -> None:
    """TIN_TELEMETRY=log shows what would be sent, and records nothing."""
    run = program.run("start", VALUES='{"colour": "green"}', TIN_TELEMETRY="log")
    assert json.loads(run.stderr)["colour"] == "green"
    assert program.files() == []


@pytest.mark.parametrize("env", [{"CI": "1"}, {"DO_NOT_TRACK": "1"}, {"TIN_TELEMETRY": "off"}])
def test_the_environment_turns_off(program: Program, env: dict[str, str]) -> None:
    program.agree()
    assert program.run("start", **env).returncode == 0
    assert program.queued() == []


def test_a_no_is_a_no(program: Program) -> None:
    """After a No the program does what it did, and no file but the answer is there."""
    program.refuse()
    assert seen(program.run("start")) == seen(program.run("start", PLAIN="1"))
    assert program.files() == [".tin"]


def test_the_question(program: Program) -> None:
    """It is asked before the command runs; after a Yes that command is the first recorded."""
    terminal = program.terminal("start")
    terminal.expect(NO_SELECTED)
    terminal.send("y")
    terminal.expect("started")
    assert terminal.finish() == 0
    assert program.commands() == ["start"]


COMPLETIONS = {
    "typer": [
        {"_TIN_COMPLETE": "complete_bash", "COMP_WORDS": "tin st", "COMP_CWORD": "1"},
        {"_TIN_COMPLETE": "complete_bash", "COMP_WORDS": "tin telemetry o", "COMP_CWORD": "2"},
        {"_TIN_COMPLETE": "source_zsh"},
    ],
    "cyclopts": [],
}
UNASKED = {
    "typer": [["--show-completion", "bash"], ["--install-completion", "bash"]],
    "cyclopts": [["__complete", "bash", "tin st"], ["--install-completion", "--shell", "bash"]],
}


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["start", "--help"],
        ["telemetry"],
        ["telemetry", "show"],
        ["telemetry", "on", "--help"],
    ],
    ids=" ".join,
)
def test_not_asked_by(program: Program, words: list[str]) -> None:
    """Help, version and the telemetry commands never ask, and record nothing."""
    terminal = program.terminal(*words)
    assert terminal.finish() == 0, terminal.text
    assert "Tin Makers asks" not in terminal.text
    assert program.files() == []
    program.agree()
    assert program.run(*words).returncode == 0
    assert program.queued() == []


def test_not_asked_by_shell_completion(program: Program, framework: str) -> None:
    """Neither a press of Tab nor the installation of completion asks or records."""
    for env in COMPLETIONS[framework]:
        terminal = program.terminal(env=env)
        assert terminal.finish() == 0, terminal.text
        assert "Tin Makers asks" not in terminal.text
    for words in UNASKED[framework]:
        terminal = program.terminal(*words)
        assert terminal.finish() == 0, terminal.text
        assert "Tin Makers asks" not in terminal.text
    assert not program.dotfile.exists()
    assert not program.state.exists()


def test_help_has_all_it_had(program: Program) -> None:
    """What is added to the help is added only."""
    for words in (["--help"], ["start", "--help"], ["db", "--help"]):
        run = program.run(*words)
        assert is_seen_in(program.run(*words, PLAIN="1").stdout, run.stdout)
        assert "_askfirst" not in run.stdout
    assert "telemetry" in program.run("--help").stdout


def test_telemetry_commands(program: Program) -> None:
    """status, on, show, log, off, in both spellings."""
    assert "off: you have not been asked yet" in program.run("telemetry").stdout
    assert program.files() == []
    assert "is on" in program.run("telemetry", "on").stdout
    assert "on: you said Yes" in program.run("telemetry", "status", "--verbose").stdout
    shown = program.run("telemetry", "show")
    assert json.loads(shown.stdout)["cli"] == {"version": "1.0.0", "command": "start"}
    assert program.run("telemetry", "log").stdout == ""
    assert "is off" in program.run("telemetry", "off").stdout
    assert program.files() == [".tin"]
    assert program.run("telemetry", "--enable").returncode == 0
    assert "on: you said Yes" in program.run("telemetry").stdout
    assert program.run("telemetry", "--disable").returncode == 0
    assert "off: you turned it off" in program.run("telemetry").stdout


def test_telemetry_commands_that_fail(program: Program) -> None:
    """`send` without a Yes is exit code 1, whatever the program makes of results."""
    assert program.run("telemetry", "send", ACTION="return_value").returncode == 1


@pytest.mark.parametrize("words", [["nothing"], ["--nothing"], ["on", "off"]], ids=" ".join)
def test_telemetry_usage_errors(program: Program, words: list[str]) -> None:
    """Wrong usage is exit code 2, and changes nothing."""
    run = program.run("telemetry", *words)
    assert run.returncode == 2
    assert run.stderr
    assert program.files() == []


def test_a_telemetry_command_of_the_programs_own_gives_way(program: Program) -> None:
    """The question promises that `tin telemetry off` is ours."""
    source = program.folder / program.source
    source.write_text(source.read_text().replace('"say")', '"telemetry")'))
    assert program.run("telemetry", PLAIN="1").stdout.startswith("soft\n")
    assert "off: you have not been asked yet" in program.run("telemetry").stdout


@pytest.mark.parametrize("env", [{}, {"EARLY": "1"}], ids=["late", "early"])
def test_single_command(single: Program, env: dict[str, str]) -> None:
    """A program that is one command is recorded under its own name, whenever it was instrumented."""
    single.agree()
    for words in (["telemetry", "of", "tins"], ["telemetry"], ["x", "telemetry", "off"]):
        assert single.run(*words, **env).stdout == " ".join(words) + "\n"
    assert single.commands() == ["tin"] * 3
    run = single.run("a", "--verbose", **env)
    assert run.stderr.encode().splitlines()[1] == single.queued()[3]
    assert single.run("--help", **env).returncode == 0
    assert len(single.queued()) == 4


def test_single_command_can_be_turned_off(single: Program) -> None:
    """What the question promises holds for a program without sub-commands too."""
    assert "is on" in single.run("telemetry", "on").stdout
    assert "on: you said Yes" in single.run("telemetry", "status").stdout
    assert single.run("telemetry", "off").returncode == 0
    assert single.answers()["versions"]["1.0.0"]["sendTelemetry"] is False


def test_commands_may_be_added_afterwards(program: Program) -> None:
    """An app that was instrumented while it was empty is like any other."""
    program.agree()
    assert seen(program.run("start", EARLY="1")) == seen(program.run("start", PLAIN="1"))
    program.run("db", "migrate", EARLY="1")
    program.run("status", EARLY="1")
    assert program.commands() == ["start", "db migrate", "status"]
    assert "on: you said Yes" in program.run("telemetry", EARLY="1").stdout


def test_a_broken_contract_is_silent(program: Program) -> None:
    """A mistake in the contract never reaches the user of the program."""
    program.contract_file.write_text("[tool]\nname = 7\n")
    assert seen(program.run("start")) == seen(program.run("start", PLAIN="1"))
    program.contract_file.unlink()
    assert seen(program.run("start")) == seen(program.run("start", PLAIN="1"))
    assert program.files() == []
