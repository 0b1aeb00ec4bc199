"""Programs from PyPI, each instrumented with one line: they stay what they are.

Each runs as it is, before anybody was asked, after a No and after a Yes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.client.program import NO_SELECTED, Program
from tests.integrations.seeing import is_seen_in, seen

CANARY = "c4n4ry"

APP = f"""
import click
from flask import Flask
app = Flask("{CANARY}")
@app.cli.command("greet")
@click.argument("name")
def greet(name):
    click.echo("Hello " + name)
"""
BACKEND = """
def build_wheel(folder, config_settings=None, metadata_directory=None):
    open(folder + "/x-1-py3-none-any.whl", "w").close()
    return "x-1-py3-none-any.whl"
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
FILES = {
    "app.py": APP,
    "backend.py": BACKEND,
    "pyproject.toml": PYPROJECT,
    f"{CANARY}/x-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: x\nVersion: 1\n",
    f"{CANARY}/x-1.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    f"{CANARY}.toml": '[a]\nb = "1"\n',
    f"{CANARY}.py": "from cyclopts import App\napp = App(name='other')\napp.default(lambda: None)\n",
}


class Real(NamedTuple):
    """A program, what a contract of its makers could declare, and what is tried."""

    declared: list[str]
    well: dict[tuple[str, ...], str | None]  # what is recorded
    broken: list[list[str]]


REAL = {
    "flask": Real(
        ["routes", "greet", "run"],
        {
            ("routes", "--sort", "rule"): "routes",
            ("--app", "app", "routes"): "routes",
            ("greet", CANARY): "greet",
            ("--version",): None,
        },
        [["--app", CANARY, "routes"], ["routes", f"--{CANARY}"], [CANARY], ["greet"]],
    ),
    "sqlite_utils": Real(
        ["query", "memory", "insert", "tables"],
        {
            (":memory:", f"select '{CANARY}'"): "query",  # by default
            ("memory", f"select '{CANARY}'"): "memory",
            ("tables", f"{CANARY}.db"): "tables",
            ("create-database", f"{CANARY}.db"): None,
            ("--version",): None,
        },
        [["rows", f"{CANARY}.db", CANARY], ["query", ":memory:", CANARY], ["insert"]],
    ),
    "toml": Real(
        ["get", "set", "add_section"],
        {
            ("get", "a.b", "--toml-path", f"{CANARY}.toml"): "get",
            ("set", "a.b", CANARY, "--toml-path", f"{CANARY}.toml"): "set",
            ("search", "a", "--toml-path", f"{CANARY}.toml"): None,
        },
        [["get", "a"], ["get", "a.c", "--toml-path", f"{CANARY}.toml"], [CANARY]],
    ),
    "wheel": Real(
        ["version", "pack", "info", "unpack"],
        {
            ("version",): "version",
            ("pack", CANARY): "pack",
            ("info", "x-1-py3-none-any.whl"): "info",
        },
        [["info", f"{CANARY}.whl"], ["unpack", f"{CANARY}.whl"], ["unpack"], [CANARY]],
    ),
    "build": Real(
        ["build"],
        {
            ("--wheel", "--no-isolation", "--outdir", f"{CANARY}-out", "."): "build",
            ("--version",): None,
        },
        [[f"{CANARY}-in"], [f"--{CANARY}"]],
    ),
    "cyclopts": Real(
        ["generate-docs", "tree", "run"],
        {
            ("tree", f"{CANARY}.py"): "tree",
            ("generate-docs", f"{CANARY}.py", "--format", "md"): "generate-docs",
            ("--version",): None,
            ("__complete", "bash", "cyclopts tr"): None,
        },
        [["tree", f"{CANARY}.txt"], ["generate-docs", f"{CANARY}.py"], ["run"], [CANARY], ["tree"]],
    ),
}


@pytest.fixture(params=REAL)
def name(request: pytest.FixtureRequest) -> str:
    """The name of the program."""
    found: str = request.param
    return found


@pytest.fixture
def real(program: Program, name: str, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The program, in a folder with what it works on."""
    program.source = f"real_{name}.py"
    shutil.copy(Path(__file__).parent / "real" / program.source, program.folder)
    commands = program.contract().commands
    program.declare(json.dumps(list(commands)), json.dumps(REAL[name].declared))
    monkeypatch.chdir(program.folder)
    for path, text in FILES.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    program.env["COLUMNS"] = "100"
    return program


@pytest.mark.slow
def test_a_real_program_stays_what_it_is(real: Program, name: str) -> None:
    """Its output and exit codes are the same, and only what it declared and did well is queued."""
    well, broken = REAL[name].well, [tuple(words) for words in REAL[name].broken]
    plain = {words: seen(real.run(*words, PLAIN="1")) for words in (*well, *broken)}
    plain |= {words: seen(real.run(*words, PLAIN="1")) for words in well}  # what it made is there
    for words, (code, *_) in plain.items():
        assert (code == 0) is (words in well), (words, plain[words])

    for words in plain:
        assert seen(real.run(*words)) == plain[words]
    assert real.files() == [], "nobody has been asked"
    real.refuse()
    for words in plain:
        assert seen(real.run(*words)) == plain[words]
    assert real.files() == [".tin"]
    real.dotfile.unlink()
    real.agree()
    for words in plain:
        assert seen(real.run(*words)) == plain[words]
    assert real.commands() == [recorded for recorded in well.values() if recorded]
    kept = [path.read_text() for path in real.home.rglob("*") if path.is_file()]
    assert not any(CANARY in text for text in kept)


@pytest.mark.slow
def test_a_real_program_explains_and_asks(real: Program, name: str) -> None:
    """Its help has all it had; it can be turned off; it asks before its first command."""
    command = next(words[0] for words, recorded in REAL[name].well.items() if recorded)
    helps = [["--help"]] if name in ("build", "sqlite_utils") else [["--help"], [command, "--help"]]
    for words in helps:
        run, plain = real.run(*words), real.run(*words, PLAIN="1")
        assert (run.returncode, run.stderr) == (plain.returncode, plain.stderr)
        assert is_seen_in(plain.stdout, run.stdout.replace(",telemetry}", "}"))
    assert real.files() == []

    words, recorded = next((w, recorded) for w, recorded in REAL[name].well.items() if recorded)
    terminal = real.terminal(*words)
    terminal.expect(NO_SELECTED)
    terminal.send("y")
    assert terminal.finish() == 0
    assert real.commands() == [recorded]
    assert "on: you said Yes" in real.run("telemetry", "status").stdout
    assert real.run("telemetry", "off").returncode == 0
    assert real.kept() == [".tin"]
