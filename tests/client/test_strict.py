"""Mistakes of an author raise in strict mode, with what to do; a user's run never sees one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from askfirst import ContractError, Telemetry
from askfirst.client import dotfile, spawn
from askfirst.contract.event import MalformedError, UndeclaredError, now_ms, treat
from askfirst.contract.loading import load
from tests.client.program import PROGRAMS, Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONTRACT = PROGRAMS / "telemetry.toml"
ODD = (None, "", "blue", "1.0", "1.0.dev1", True, 0, -1, 1.5, float("nan"), b"x", (1, 2), {"a": 1})


class Made:
    """A strict Telemetry, a careless one, and the home that both have."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"HOME": str(home)}
        self.strict = Telemetry(str(CONTRACT), "1.0.0", strict=True, env=self.env)
        self.careless = Telemetry(str(CONTRACT), "1.0.0", strict=False, env=self.env)

    def agree(self) -> None:
        """Record a Yes; no delivery is due."""
        dotfile.agree(str(self.home / ".tin"), "1.0.0", load(CONTRACT), "2026-11-01")
        state = self.home / ".local/state/askfirst/tin"
        state.mkdir(parents=True)
        spawn.write_schedule(str(state), now_ms() + 3_600_000, 0)

    def queued(self) -> list[dict[str, Any]]:
        path = self.home / ".local/state/askfirst/tin/queue"
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        return [json.loads(line.partition(b" ")[2]) for line in lines if line]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)


MISTAKES: dict[str, tuple[Callable[[Telemetry], object], type[Exception], str]] = {
    "a field with a slip, in set": (
        lambda t: t.set({"application.names": "x"}),
        UndeclaredError,
        (
            "the contract declares no field 'application.names'; did you mean 'application.name'? "
            'Otherwise declare [fields."application.names"] in it, with a treatment and a purpose'
        ),
    ),
    "a field of no likeness, in record": (
        lambda t: t.record("start", {"weather": "x"}),
        UndeclaredError,
        (
            "the contract declares no field 'weather'; "
            'declare [fields."weather"] in it, with a treatment and a purpose'
        ),
    ),
    "a wrong type, in set": (
        lambda t: t.set({"cold": "yes"}),
        MalformedError,
        (
            "cold takes True or False, not str; convert the value, or give the field another treatment "
            "than flag"
        ),
    ),
    "a wrong type, in record": (
        lambda t: t.record("start", {"size": "large"}),
        MalformedError,
        (
            "size takes a number, not str; convert the value, or give the field another treatment than "
            "bucket"
        ),
    ),
    "not a number": (
        lambda t: t.set({"size": float("nan")}),
        MalformedError,
        (
            "size takes a number, not nan; convert the value, or give the field another treatment than "
            "bucket"
        ),
    ),
    "a version in parts": (
        lambda t: t.set({"runtime": (3, 12)}),
        MalformedError,
        (
            "runtime takes a version as text, not tuple; convert the value, or give the field another "
            "treatment than version"
        ),
    ),
    "a choice that is no text": (
        lambda t: t.set({"colour": 7}),
        MalformedError,
        (
            "colour takes text, not int; convert the value, or give the field another treatment than "
            "choice"
        ),
    ),
    "a hash of a thing": (
        lambda t: t.set({"application.name": ["x"]}),
        MalformedError,
        (
            "application.name takes text, a number, True or False, not list; convert the value, or "
            "give the field another treatment than hash"
        ),
    ),
    "a command with a slip, by name": (
        lambda t: t.record("starts"),
        UndeclaredError,
        (
            "the contract declares no command 'starts'; did you mean 'start'? "
            "Otherwise add it to commands in [tool] of the contract of tin"
        ),
    ),
}


@pytest.mark.parametrize("consent", ["yes", "no", "never asked"])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_raises_whatever_the_user_answered(
    made: Made, mistake: str, consent: str
) -> None:
    """Most authors have not said Yes to their own tool, and would never see their mistake."""
    if consent == "yes":
        made.agree()
    elif consent == "no":
        dotfile.refuse(str(made.home / ".tin"), "1.0.0", "2026-11-01")
    make, kind, message = MISTAKES[mistake]
    with pytest.raises(kind) as raised:
        make(made.strict)
    assert str(raised.value) == message
    assert made.queued() == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_without_strict_it_is_silent_and_costs_at_most_the_field(
    made: Made, mistake: str, capfd: pytest.CaptureFixture[str]
) -> None:
    made.agree()
    MISTAKES[mistake][0](made.careless)
    made.careless.record("start", {"runtime": "2.0.0"})
    assert capfd.readouterr() == ("", "")
    last = made.queued()[-1]
    assert last["cli"]["command"] == "start"
    assert last["runtime"] == "2.0.0"
    assert last.keys() <= {"id", "installationId", "timestamp", "cli", "runtime", "colour"}


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", load(CONTRACT).fields)
def test_strict_refuses_whatever_cannot_be_treated(made: Made, name: str, value: object) -> None:
    """And lets through the rest, but for what is not even text where text is wanted."""
    field = made.strict.contract().fields[name]
    try:
        if value is not None:
            treat(field, value, "")
        refused = False
    except MalformedError:
        refused = True
    if field.treatment in ("version", "choice"):
        refused = value is not None and not isinstance(value, str)
    if refused:
        with pytest.raises(MalformedError):
            made.strict.set({name: value})
    else:
        made.strict.set({name: value})


def test_a_command_that_a_program_merely_ran_is_no_mistake(made: Made) -> None:
    """Integrations see every command; the contract lists those to record."""
    made.agree()
    made.strict.record_if_declared("unlisted")
    made.strict.record_if_declared("start")
    assert [event["cli"]["command"] for event in made.queued()] == ["start"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("click_tool.py", ["say"]),
        ("argparse_tool.py", ["speak"]),
        ("typer_tool.py", ["say"]),
        ("cyclopts_tool.py", ["say"]),
    ],
)
def test_a_strict_program_runs_its_unlisted_commands(
    program: Program, source: str, words: list[str]
) -> None:
    program.source = source
    program.agree()
    run = program.run(*words, ASKFIRST_STRICT="1")
    assert (run.returncode, run.stdout, run.stderr) == (0, "soft\n", "")
    assert program.run("start", ASKFIRST_STRICT="1").returncode == 0
    assert program.commands() == ["start"]


@pytest.mark.parametrize("use", ["set", "record", "record_if_declared"])
def test_a_contract_that_is_not_there_raises_and_says_where_it_belongs(
    made: Made, use: str
) -> None:
    path = str(made.home / "telemetry.toml")
    strict = Telemetry(path, "1.0.0", strict=True, env=made.env)
    careless = Telemetry(path, "1.0.0", env=made.env)
    given: Any = {"x": 1} if use == "set" else "start"
    with pytest.raises(ContractError) as raised:
        getattr(strict, use)(given)
    assert str(raised.value) == (
        f"{path}: cannot be read: [Errno 2] No such file or directory: '{path}'; "
        "ship it as package data, beside the file that calls from_contract"
    )
    assert getattr(careless, use)(given) is None


def test_a_contract_that_is_wrong_raises_with_all_that_is_wrong(made: Made) -> None:
    path = made.home / "telemetry.toml"
    path.write_text(CONTRACT.read_text().replace('"version"', '"plain"').replace("[10, 100]", "3"))
    strict = Telemetry(str(path), "1.0.0", strict=True, env=made.env)
    with pytest.raises(ContractError) as raised:
        strict.record("start")
    runtime, size = raised.value.problems
    assert runtime.startswith("fields.runtime.treatment: 'plain' is unknown; use one of")
    assert size.startswith("fields.size.buckets: list 1 to 100 numbers")
    Telemetry(str(path), "1.0.0", env=made.env).record("start")


@pytest.mark.parametrize(
    ("value", "strict"), [("1", True), ("yes", True), ("0", False), ("", False)]
)
def test_the_environment_can_make_it_strict(
    monkeypatch: pytest.MonkeyPatch, value: str, strict: bool
) -> None:
    monkeypatch.setenv("ASKFIRST_STRICT", value)
    assert Telemetry.from_contract(CONTRACT, version="1.0.0").strict is strict
    assert Telemetry.from_contract(CONTRACT, version="1.0.0", strict=True).strict
    assert not Telemetry.from_contract(CONTRACT, version="1.0.0", strict=False).strict


def test_a_version_that_is_never_recorded(made: Made) -> None:
    """A `v` in front, as tags have it; a version under development is no mistake."""
    made.agree()
    made.strict.version = "v1.4.0"
    with pytest.raises(
        MalformedError, match=r"'v1\.4\.0' is no released version, so nothing is ever"
    ):
        made.strict.record("start")
    for version in ("0", "main", "1.0.0.dev1"):
        made.strict.version = version
        made.strict.record("start")
    assert made.queued() == []


def test_a_folder_where_the_answers_belong(made: Made) -> None:
    """The program's own: nobody can ever be asked."""
    (made.home / ".tin").mkdir()
    with pytest.raises(MalformedError, match='is a folder; set state = "xdg" in'):
        made.strict.record("start")
    made.careless.record("start")
