"""One line in a click program: what is recorded, and that the program stays what it was."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from tests.client.program import Program

CANARY = "c4n4ry"
BROKEN = [
    ["fail", "error"],
    ["fail", "click"],
    ["fail", "usage"],
    ["fail", "abort"],
    ["fail", "interrupt"],
    ["fail", "ctx2"],
    ["fail", "1"],
    ["fail", "text"],
    ["fail", "raise3"],
    ["fail"],
    ["start", "--unknown"],
    ["nothing"],
    ["db"],
    [],
]
WELL = {
    ("start",): ["start"],
    ("--config", "x", "start", "label", "--into", "y"): ["start"],
    ("db", "migrate"): ["db migrate"],
    ("db", "migrate", "17"): ["db migrate"],
    ("status",): ["status"],
    ("status", "deep"): [],
    ("fail", "ctx0"): ["fail"],
    ("fail", "0"): ["fail"],
    ("fail", "raise0"): ["fail"],
    ("fail", ""): ["fail"],
    ("read",): [],
    ("--help",): [],
    ("--version",): [],
    ("start", "--help"): [],
    ("pass-on", "--verbose", "-x"): ["pass-on"],
    ("say",): ["say"],
}


def same(one: subprocess.CompletedProcess[str], other: subprocess.CompletedProcess[str]) -> bool:
    """Whether two runs look the same to their user."""
    seen = [(run.returncode, run.stdout, run.stderr) for run in (one, other)]
    # the frames of a traceback differ; what was raised does not
    shown = [
        (*run[:2], run[2].splitlines()[-1:] if "Traceback" in run[2] else run[2]) for run in seen
    ]
    assert shown[0] == shown[1]
    return True


@pytest.mark.parametrize(("words", "recorded"), WELL.items(), ids=" ".join)
def test_what_ends_well(program: Program, words: tuple[str, ...], recorded: list[str]) -> None:
    """A declared command that ends well is recorded, by its place in the groups."""
    program.declare('commands = ["start",', 'commands = ["start", "say",')
    program.agree()
    run = program.run(*words)
    assert run.returncode == 0, run.stderr
    assert program.commands() == recorded
    if "--help" not in words:
        assert same(run, program.run(*words, PLAIN="1"))


@pytest.mark.parametrize("words", BROKEN, ids=" ".join)
def test_what_fails(program: Program, words: list[str]) -> None:
    """A command that fails is not recorded, and fails as it would without telemetry."""
    program.agree()
    run = program.run(*words)
    plain = program.run(*words, PLAIN="1")
    assert run.returncode == plain.returncode
    assert program.commands() == []
    if words:  # the list of commands has one more
        assert same(run, plain)


@pytest.mark.parametrize("words", [*WELL, *BROKEN], ids=" ".join)
def test_without_a_yes_nothing_changes(program: Program, words: list[str]) -> None:
    """Nobody has been asked: the program does what it did, and no file is made."""
    run = program.run(*words)
    if "--help" not in words and words:
        assert same(run, program.run(*words, PLAIN="1"))
    assert program.files() == []


def test_a_group_that_is_on_the_way_is_no_command(program: Program) -> None:
    """`db` is declared, but `db migrate` is what ran."""
    program.agree()
    program.run("db", "migrate")
    program.run("db", "--help")
    assert program.commands() == ["db migrate"]


def test_values(program: Program) -> None:
    """What is given with `set` is treated as the contract says."""
    program.agree()
    values = {"runtime": "2.0.0", "application.name": "chat", "colour": "red", "cold": True}
    program.run("start", VALUES=json.dumps({**values, "size": 42}))
    [event] = map(json.loads, program.queued())
    assert event["runtime"] == "2.0.0"
    assert event["colour"] == "red"
    assert event["cold"] is True
    assert event["size"] == "10 to <100"
    assert len(event["application"]["name"]) == 64
    assert event["cli"] == {"version": "1.0.0", "command": "start"}


@pytest.mark.parametrize(
    ("field", "value", "left"),
    [
        ("runtime", "2.0.0-internal.build", None),
        ("runtime", 2, None),
        ("application.name", ["chat"], None),
        ("colour", "blue", "other"),
        ("cold", "yes", None),
        ("size", "large", None),
        ("size", None, None),
        ("undeclared", "x", None),
    ],
)
def test_a_wrong_value_costs_its_field_only(
    program: Program, field: str, value: object, left: object
) -> None:
    """A mistake of the author's is silent, and the rest of the event is kept."""
    program.agree()
    run = program.run("start", VALUES=json.dumps({field: value, "runtimes": 1}))
    assert (run.returncode, run.stdout, run.stderr) == (0, "started\n", "")
    [event] = map(json.loads, program.queued())
    assert event.get(field) == left
    assert event["cli"]["command"] == "start"
    assert "runtimes" not in event


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"runtimes": "2.0.0"}, "UndeclaredError: the contract declares no field 'runtimes'"),
        ({"cold": "yes"}, "MalformedError: cold takes True or False, not str"),
    ],
)
def test_strict(program: Program, values: dict[str, object], error: str) -> None:
    """With ASKFIRST_STRICT=1 a mistake of the author's raises."""
    program.agree()
    run = program.run("start", VALUES=json.dumps(values), ASKFIRST_STRICT="1")
    assert run.returncode == 1
    assert error in run.stderr
    assert program.queued() == []


def test_nothing_given_to_a_command_is_kept(program: Program) -> None:
    """No argument, option value, environment variable or folder name is in any file."""
    program.agree()
    program.run("--config", CANARY, "start", CANARY, "--into", f"{CANARY}/x", CANARY=CANARY)
    program.run("start", VALUES=json.dumps({"application.name": CANARY, "colour": CANARY}))
    program.run("db", "migrate", CANARY)
    program.run("pass-on", CANARY, f"--{CANARY}")
    assert len(program.queued()) == 4
    kept = [path.read_text() for path in program.home.rglob("*") if path.is_file()]
    assert not any(CANARY in text for text in kept)
    assert not any(os.uname().nodename in event.decode() for event in program.queued())


def test_verbose_is_added(program: Program) -> None:
    """`--verbose` shows on stderr, byte for byte, the line that is queued."""
    program.agree()
    run = program.run("start", "--verbose")
    assert run.stdout == "started\n"
    first, shown, rest = run.stderr.split("\n")
    assert first == "telemetry: queued for http://127.0.0.1:9:"
    assert [shown.encode()] == program.queued()
    assert rest == ""


def test_verbose_says_why_nothing_is_recorded(program: Program) -> None:
    """Without a Yes, and for a development version, `--verbose` gives the reason."""
    run = program.run("start", "--verbose")
    assert run.stderr == "telemetry: nothing is recorded: you have not been asked yet.\n"
    program.agree("1.0.0.dev1")
    run = program.run("start", "--verbose", TOOL_VERSION="1.0.0.dev1")
    assert run.stderr == "telemetry: nothing is recorded: 1.0.0.dev1 is not a released version.\n"
    assert program.queued() == []


def test_verbose_is_joined(program: Program) -> None:
    """A `--verbose` of the program's own keeps its meaning and shows telemetry too."""
    program.declare('commands = ["start",', 'commands = ["start", "say",')
    program.agree()
    assert program.run("say").stderr == ""
    run = program.run("say", "--verbose")
    assert run.stdout == "LOUD\n"
    assert run.stderr.encode().splitlines()[1] == program.queued()[1]


def test_verbose_is_left_to_commands_that_hand_it_on(program: Program) -> None:
    """`tin pass-on npm --verbose` is npm's `--verbose`."""
    program.agree()
    assert program.run("pass-on", "npm", "--verbose").stdout == "npm --verbose\n"


def test_log_prints_and_keeps_nothing(program: Program) -> None:
    """TIN_TELEMETRY=log shows what would be sent, before any answer and after a Yes."""
    run = program.run("start", VALUES='{"colour": "green"}', TIN_TELEMETRY="log")
    assert run.stdout == "started\n"
    event = json.loads(run.stderr)
    assert event["cli"] == {"version": "1.0.0", "command": "start"}
    assert event["colour"] == "green"
    assert program.files() == []
    program.agree()
    assert json.loads(program.run("start", TIN_TELEMETRY="log").stderr)["installationId"]
    assert program.run("read", TIN_TELEMETRY="log").stderr == ""
    assert program.queued() == []


@pytest.mark.parametrize(
    "env",
    [{"CI": "1"}, {"DO_NOT_TRACK": "1"}, {"ASKFIRST_TELEMETRY": "0"}, {"TIN_TELEMETRY": "off"}],
    ids=str,
)
def test_the_environment_turns_off(program: Program, env: dict[str, str]) -> None:
    """Whatever was answered, nothing is recorded under CI or a variable that says no."""
    program.agree()
    assert program.run("start", **env).stdout == "started\n"
    assert program.queued() == []


def test_telemetry_commands(program: Program) -> None:
    """status, on, show, off: the state and why, the answer, what would be sent, and the end."""
    assert "off: you have not been asked yet" in program.run("telemetry").stdout
    assert program.files() == []
    assert program.run("telemetry", "on").stdout == "Telemetry of Tin CLI is on. Thank you.\n"
    assert "on: you said Yes" in program.run("telemetry", "status").stdout
    shown = program.run("telemetry", "show")
    assert json.loads(shown.stdout)["cli"] == {"version": "1.0.0", "command": "start"}
    assert program.run("telemetry", "log").stdout == ""
    assert "is off" in program.run("telemetry", "off").stdout
    assert "off: you turned it off" in program.run("telemetry", "status", "--verbose").stdout
    assert program.files() == [".tin"]
    assert "installationId" not in program.answers()
    assert program.run("telemetry", "--enable").returncode == 0
    assert "on: you said Yes" in program.run("telemetry").stdout
    assert program.run("telemetry", "--disable").returncode == 0
    assert "off: you turned it off" in program.run("telemetry").stdout


def test_show_prints_what_waits(program: Program) -> None:
    """The lines that wait are printed as they are kept, then the next event."""
    program.agree()
    program.run("start")
    program.run("status")
    lines = program.run("telemetry", "show").stdout.encode().splitlines()
    assert lines[:2] == program.queued()
    assert len(lines) == 3


@pytest.mark.parametrize("words", [["nothing"], ["--nothing"], ["on", "off"], ["on", "--nothing"]])
def test_telemetry_usage_errors(program: Program, words: list[str]) -> None:
    """Wrong usage is exit code 2, and changes nothing."""
    run = program.run("telemetry", *words)
    assert run.returncode == 2
    assert run.stderr
    assert program.files() == []


def test_single_command(program: Program) -> None:
    """A program that is one command is recorded under its own name."""
    program.source = "click_single.py"
    program.agree()
    run = program.run("telemetry", "of", "tins")
    assert run.stdout == "telemetry of tins\n"
    assert program.commands() == ["tin"]
    run = program.run("a", "-v")
    assert run.stderr.encode().splitlines()[1] == program.queued()[1]


def test_single_command_can_be_turned_off(program: Program) -> None:
    """What the question promises holds for a program without sub-commands too."""
    program.source = "click_single.py"
    assert "is on" in program.run("telemetry", "on").stdout
    assert json.loads(program.run("telemetry", "show").stdout)["cli"]["version"] == "1.0.0"
    assert "off: " not in program.run("telemetry", "status").stdout
    assert program.run("telemetry", "off").returncode == 0
    assert program.answers()["versions"]["1.0.0"]["sendTelemetry"] is False
    for words in (["telemetry"], ["telemetry", "x"], ["x", "telemetry", "off"]):
        assert program.run(*words).stdout == " ".join(words) + "\n"


UNUSUAL = """
import os
import click
from askfirst import Telemetry
from askfirst.integrations.click import instrument

class Plugins(click.Group):
    commands = property(
        lambda self: 1 / 0 if "BROKEN" in os.environ else ["migrate"], lambda self, _: None
    )

    def list_commands(self, ctx):
        return ["migrate"]

    def get_command(self, ctx, name):
        return click.Command("migrate", callback=lambda: click.echo("migrated"))

@click.group(chain="CHAIN" in os.environ)
def cli():
    pass

@cli.command()
def start():
    click.echo("started")

@cli.command()
def status():
    click.echo("fine")

if "CHAIN" not in os.environ:
    cli.add_command(Plugins("db"))
if "PLAIN" not in os.environ:
    instrument(cli, Telemetry.from_contract("telemetry.toml", version="1.0.0"))
cli(prog_name="tin")
"""


@pytest.fixture
def unusual(program: Program) -> Program:
    program.source = "unusual.py"
    (program.folder / program.source).write_text(UNUSUAL)
    return program


@pytest.mark.parametrize("strict", ["", "1"])
def test_a_group_of_another_kind(unusual: Program, strict: str) -> None:
    """What a host's group keeps its commands in is its own; such a command has its own name."""
    unusual.agree()
    run = unusual.run("db", "migrate", ASKFIRST_STRICT=strict)
    assert same(run, unusual.run("db", "migrate", PLAIN="1"))
    assert run.returncode == 0
    assert unusual.commands() == ["db migrate"]


def test_a_group_that_cannot_be_looked_at(unusual: Program) -> None:
    """What fails while we look for a command's name is not the command's failure."""
    unusual.agree()
    run = unusual.run("db", "migrate", BROKEN="1")
    assert same(run, unusual.run("db", "migrate", BROKEN="1", PLAIN="1"))
    assert run.returncode == 0
    assert unusual.commands() == []


def test_a_root_that_chains_commands(unusual: Program) -> None:
    """Each command of a chain is recorded; telemetry's, which is a group's, is not one of them."""
    for words in (["start", "status"], ["start"], ["start", "nothing"], ["telemetry"], ["--help"]):
        assert same(unusual.run(*words, CHAIN="1"), unusual.run(*words, CHAIN="1", PLAIN="1"))
    assert unusual.files() == []
    unusual.agree()
    unusual.run("start", "status", CHAIN="1")
    assert unusual.commands() == ["start", "status"]
    assert "on: you said Yes" in unusual.run("telemetry", "status", CHAIN="1").stdout
    assert "is off" in unusual.run("telemetry", "off", CHAIN="1").stdout


def test_a_broken_contract_is_silent(program: Program) -> None:
    """A mistake in the contract never reaches the user of the program."""
    program.contract_file.write_text("[tool]\nname = 7\n")
    assert same(program.run("start"), program.run("start", PLAIN="1"))
    program.contract_file.unlink()
    assert same(program.run("start"), program.run("start", PLAIN="1"))
    assert program.files() == []
