"""One line in an argparse program: what is recorded, and that the program stays what it was."""

from __future__ import annotations

import json

import pytest

from tests.client.program import Program
from tests.integrations.seeing import seen

CANARY = "c4n4ry"
WELL = {
    ("start",): ["start"],
    ("go",): ["start"],  # an alias
    ("--config", "db", "start", "label", "--into", "y"): ["start"],
    ("start", "telemetry"): ["start"],
    ("db", "migrate"): ["db migrate"],
    ("db", "migrate", "17"): ["db migrate"],
    ("status",): ["status"],
    ("status", "deep"): [],
    ("speak",): [],
    ("fail", "0"): ["fail"],
    ("fail", ""): ["fail"],
    ("fail", "return"): ["fail"],
    ("fail", "fork"): ["fail"],
    ("read",): [],
    ("--version",): [],
    ("start", "--help"): [],
    (): [],
}
BROKEN = [
    ["fail", "error"],
    ["fail", "interrupt"],
    ["fail", "parser"],
    ["fail", "hook"],
    ["fail", "text"],
    ["fail", "2"],
    ["fail", "raise2"],
    ["start", "--unknown"],
    ["start", "a", "b"],
    ["db"],
    ["nothing"],
]


@pytest.fixture
def program(program: Program) -> Program:
    program.source = "argparse_tool.py"
    return program


@pytest.fixture
def single(program: Program) -> Program:
    """A program without sub-commands, and a contract with one command."""
    program.source = "argparse_single.py"
    commands = program.contract().commands
    program.declare(json.dumps(list(commands)), '["tin"]')
    return program


@pytest.fixture
def corners(program: Program) -> Program:
    program.source = "argparse_corners.py"
    return program


@pytest.mark.parametrize(("words", "recorded"), WELL.items(), ids=" ".join)
def test_what_ends_well(program: Program, words: tuple[str, ...], recorded: list[str]) -> None:
    """A declared command that ends well is recorded once; the host finds only what is its own."""
    program.agree()
    run = program.run(*words, SHOW="1")
    assert run.returncode == 0, run.stderr
    assert program.commands() == recorded
    if "--help" not in words:
        assert seen(run) == seen(program.run(*words, SHOW="1", PLAIN="1"))


@pytest.mark.parametrize("words", BROKEN, ids=" ".join)
def test_what_fails(program: Program, words: list[str]) -> None:
    """A command that fails is not recorded, and fails as it would without telemetry."""
    program.agree()
    run = program.run(*words)
    assert run.returncode != 0
    assert seen(run) == seen(program.run(*words, PLAIN="1"))
    assert program.commands() == []


@pytest.mark.parametrize("words", [*WELL, *BROKEN], ids=" ".join)
def test_without_a_yes_nothing_changes(program: Program, words: list[str]) -> None:
    """Nobody has been asked: the program does what it did, and no file is made."""
    run = program.run(*words, SHOW="1")
    if "--help" not in words:
        assert seen(run) == seen(program.run(*words, SHOW="1", PLAIN="1"))
    assert program.files() == []


@pytest.mark.parametrize("code", ["0", "3"])
def test_the_code_that_main_returns(program: Program, code: str) -> None:
    """`sys.exit(main())` is how most programs end, and the parser is often made in `main`."""
    program.agree()
    assert program.run("start", CODE=code).returncode == int(code)
    assert program.commands() == (["start"] if code == "0" else [])


@pytest.mark.parametrize("code", ["0", "3"])
def test_an_end_that_cannot_be_judged(program: Program, code: str) -> None:
    """`raise SystemExit` hides its code, so nothing is recorded, and `--verbose` says why."""
    program.agree()
    run = program.run("start", "--verbose", CODE=code, RAISE="1")
    assert run.returncode == int(code)
    assert "nothing is recorded: the program ended with `raise SystemExit`" in run.stderr
    assert program.queued() == []


def test_a_program_that_parses_twice_is_recorded_once(program: Program) -> None:
    """A first look with parse_known_args, for an option such as --config, is no second command."""
    program.agree()
    run = program.run("start", "--verbose", TWICE="1")
    assert run.stdout == "started\n"
    assert program.commands() == ["start"]
    assert run.stderr.encode().splitlines()[1] == program.queued()[0]


def test_no_command_is_no_command(program: Program) -> None:
    """A program of which no sub-command was chosen is not recorded by the only one there is."""
    program.declare(json.dumps(list(program.contract().commands)), '["start"]')
    program.agree()
    assert program.run().stdout == "nothing to do\n"
    assert program.queued() == []


def test_values(program: Program) -> None:
    """What is given with `set` is treated as the contract says; a mistake costs its field only."""
    program.agree()
    values = {"runtime": "2.0.0", "colour": "blue", "cold": "yes", "size": 1, "undeclared": "x"}
    run = program.run("start", VALUES=json.dumps(values))
    assert (run.returncode, run.stdout, run.stderr) == (0, "started\n", "")
    [event] = map(json.loads, program.queued())
    assert event["runtime"] == "2.0.0"
    assert event["colour"] == "other"
    assert event["size"] == "<10"
    assert event.keys() == {"id", "installationId", "timestamp", "cli", "runtime", "colour", "size"}


def test_strict(program: Program) -> None:
    """With ASKFIRST_STRICT=1 a mistake of the author's raises."""
    program.agree()
    run = program.run("start", VALUES='{"undeclared": 1}', ASKFIRST_STRICT="1")
    assert run.returncode == 1
    assert "UndeclaredError: the contract declares no field 'undeclared'" in run.stderr
    run = program.run("start", VALUES='{"cold": "yes"}', ASKFIRST_STRICT="1")
    assert "MalformedError: cold takes True or False, not str" in run.stderr
    assert program.queued() == []


def test_nothing_given_to_a_command_is_kept(program: Program) -> None:
    """No argument, option value or environment variable is in any file."""
    program.agree()
    program.run("--config", CANARY, "start", CANARY, "--into", f"{CANARY}/x", CANARY=CANARY)
    program.run("db", "migrate", CANARY)
    program.run("start", VALUES=json.dumps({"application.name": CANARY, "colour": CANARY}))
    assert len(program.queued()) == 3
    kept = [path.read_text() for path in program.home.rglob("*") if path.is_file()]
    assert not any(CANARY in text for text in kept)


def test_verbose_is_added(program: Program) -> None:
    """`--verbose` shows on stderr, byte for byte, the line that is queued."""
    program.agree()
    run = program.run("start", "--verbose", SHOW="1")
    assert run.stdout == "{'config': '', 'into': '', 'label': ''}\nstarted\n"
    first, shown, rest = run.stderr.split("\n")
    assert first == "telemetry: queued for http://127.0.0.1:9:"
    assert [shown.encode()] == program.queued()
    assert rest == ""


def test_verbose_is_joined(program: Program) -> None:
    """A `--verbose` of the program's own keeps its meaning and shows telemetry too."""
    program.declare('commands = ["start",', 'commands = ["start", "speak",')
    program.agree()
    assert program.run("speak").stderr == ""
    run = program.run("speak", "--verbose")
    assert run.stdout == "LOUD\n"
    assert run.stderr.encode().splitlines()[1] == program.queued()[1]


def test_log_prints_and_keeps_nothing(program: Program) -> None:
    """TIN_TELEMETRY=log shows what would be sent, and records nothing."""
    run = program.run("start", VALUES='{"colour": "green"}', TIN_TELEMETRY="log")
    assert run.stdout == "started\n"
    assert json.loads(run.stderr)["colour"] == "green"
    assert program.files() == []


def test_telemetry_commands(program: Program) -> None:
    """status, on, show, off, in both spellings, also behind an option of the program's."""
    assert "off: you have not been asked yet" in program.run("telemetry").stdout
    assert program.files() == []
    assert "is on" in program.run("--config", "telemetry", "telemetry", "on").stdout
    shown = program.run("telemetry", "show")
    assert json.loads(shown.stdout)["cli"] == {"version": "1.0.0", "command": "start"}
    assert program.run("telemetry", "log").stdout == ""
    assert program.run("telemetry", "--disable").returncode == 0
    assert program.files() == [".tin"]
    assert "off: you turned it off" in program.run("telemetry", "status", "--verbose").stdout
    assert program.run("telemetry", "--enable").returncode == 0
    assert "on: you said Yes" in program.run("telemetry").stdout


@pytest.mark.parametrize(
    "words", [["nothing"], ["--nothing"], ["on", "off"], ["on", "--disable"]], ids=" ".join
)
def test_telemetry_usage_errors(program: Program, words: list[str]) -> None:
    """Wrong usage is exit code 2, and changes nothing."""
    run = program.run("telemetry", *words)
    assert run.returncode == 2
    assert "_askfirst" not in run.stderr
    assert program.files() == []


def test_help_names_nothing_of_the_inside(program: Program) -> None:
    """What is added to the help is written for people."""
    for words in ([], ["start"], ["telemetry"]):
        run = program.run(*words, "--help")
        assert run.returncode == 0
        assert "_askfirst" not in run.stdout
    assert "off, show, log" in " ".join(run.stdout.split())


def test_single_command(single: Program) -> None:
    """A program without sub-commands is recorded by its contract's only command."""
    single.agree()
    assert single.run("telemetry").stdout == "telemetry [] ['loud', 'word']\n"
    assert single.commands() == ["tin"]
    run = single.run("x", "--verbose")
    assert run.stdout == "x [] ['loud', 'word']\n"
    assert run.stderr.encode().splitlines()[1] == single.queued()[1]


def test_single_command_of_many(program: Program) -> None:
    """Which of several declared commands it is cannot be known, so nothing is recorded."""
    program.source = "argparse_single.py"
    program.agree()
    assert program.run("x").returncode == 0
    assert program.queued() == []


def test_single_command_can_be_turned_off(single: Program) -> None:
    """What the question promises holds for a program without sub-commands too."""
    assert "is on" in single.run("telemetry", "on").stdout
    assert "on: you said Yes" in single.run("telemetry", "status").stdout
    assert single.run("telemetry", "off").returncode == 0
    assert single.answers()["versions"]["1.0.0"]["sendTelemetry"] is False


def test_verbose_is_left_to_programs_that_hand_it_on(single: Program) -> None:
    """With parse_known_args the rest is another program's, `--verbose` too."""
    single.agree()
    run = single.run("npm", "-x", "--verbose", "--deep", KNOWN="1")
    assert run.stdout == "npm ['-x', '--verbose', '--deep'] ['loud', 'word']\n"
    assert single.commands() == ["tin"]


@pytest.mark.parametrize(
    "words",
    [
        ["single", "--ver"],  # an abbreviation of --version
        ["single", "--verb", "3"],  # and of --verbosity
        ["single", "--verbo"],
        ["commands", "start", "--verb", "3"],
        ["commands", "start", "--verb=3", "x"],
        ["generator", "x", "--verbosity", "3"],
        ["mixed", "x", "--verbosity", "3", "y"],
        ["mixed", "--unknown"],
        ["slots", "start", "x"],
        ["plus", "x", "++verb", "3"],
        ["plus", "--verbose"],
        ["late", "x", "--verbose", "--more"],
    ],
    ids=" ".join,
)
def test_unusual_programs_stay_what_they_were(corners: Program, words: list[str]) -> None:
    """What a program took and gave without telemetry is what it takes and gives with it."""
    assert seen(corners.run(*words)) == seen(corners.run(*words, PLAIN="1"))


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["slots", "start", "x"], "start"),
        (["commands", "start", "x"], "start"),
        (["mixed", "x", "--verbosity", "3", "y"], "tin"),
        (["generator", "x"], "tin"),
    ],
    ids=str,
)
def test_unusual_programs_are_recorded(corners: Program, words: list[str], command: str) -> None:
    """Also with `--verbose`, which leaves nothing in what the program finds."""
    names = list(corners.contract().commands)
    corners.declare(json.dumps(names), json.dumps([command]))
    corners.agree()
    run, loud = corners.run(*words), corners.run(*words, "--verbose")
    assert (run.returncode, run.stderr) == (0, "")
    assert loud.stdout == run.stdout
    assert loud.stderr.encode().splitlines()[1] == corners.queued()[1]
    assert corners.commands() == [command, command]


@pytest.mark.parametrize("kind", ["slots", "generator", "mixed"])
def test_unusual_programs_can_be_turned_off(corners: Program, kind: str) -> None:
    assert "is on" in corners.run(kind, "telemetry", "on").stdout
    assert "is off" in corners.run(kind, "telemetry", "off").stdout


def test_a_broken_contract_is_silent(program: Program) -> None:
    """A mistake in the contract never reaches the user of the program."""
    program.contract_file.write_text("[tool]\nname = 7\n")
    assert seen(program.run("start")) == (0, "started\n", [])
    program.contract_file.unlink()
    assert seen(program.run("start")) == (0, "started\n", [])
    assert program.files() == []
