"""Commands are found by reading the source, and they are those that the program really has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from askfirst.cli.program import Program, module_file, read_program

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "client" / "programs"
STEMS = ("click", "typer", "argparse", "cyclopts")


@pytest.mark.parametrize("framework", STEMS)
def test_the_commands_of_a_program_of_each_framework(framework: str) -> None:
    attribute = {"click": "cli", "argparse": "main"}.get(framework, "app")
    found = read_program(PROGRAMS, f"{framework}_tool", attribute)
    assert found.framework == framework
    assert {"start", "read", "db migrate", "status deep", "fail"} <= set(found.commands)
    assert not {"status", "db", "telemetry"} & set(found.commands)
    assert found.file == PROGRAMS / f"{framework}_tool.py"
    line = found.file.read_text().splitlines()[found.line - 1]
    assert found.root in line


@pytest.mark.parametrize(
    ("framework", "commands"),
    [("click", ["tin"]), ("typer", ["tin"]), ("argparse", []), ("cyclopts", [])],
)
def test_a_program_of_one_command(framework: str, commands: list[str]) -> None:
    found = read_program(PROGRAMS, f"{framework}_single", "main")
    assert (found.framework, found.commands) == (framework, commands)


def test_the_commands_are_those_of_a_real_program() -> None:
    """sqlite-utils has about fifty; click itself says which."""
    site = Path(__import__("sqlite_utils").__file__).parents[1]
    code = "import sqlite_utils.cli as c; print('\\n'.join(c.cli.commands))"
    listed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    found = read_program(site, "sqlite_utils.cli", "cli")
    assert len(found.commands) > 40
    assert set(found.commands) == set(listed.stdout.split())


def test_the_example() -> None:
    found = read_program(ROOT / "examples" / "stratus", "stratus.cli", "main")
    assert (found.framework, found.root) == ("click", "cli")
    assert found.commands == ["init", "start", "stop", "restart", "reload", "status"]


def read(folder: Path, files: dict[str, str], entry: str = "tin.cli:main") -> Program:
    for name, text in files.items():
        path = folder / "tin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    module, _, attribute = entry.partition(":")
    return read_program(folder, module, attribute)


CLICK = {
    "cli.py": """
import click
from .sub import db as database
from tin.sub.db import show

@click.group()
def cli(): ...

@cli.command()
def start_all(): ...

@cli.command("halt")
def stop(): ...

@cli.command
def bare(): ...

@cli.group(name="deep")
def other(): ...

@other.command(name="er")
def x(): ...

cli.add_command(database.db)
cli.add_command(show, "display")

def helper():
    stop()

def main():
    cli.main()
""",
    "sub/db.py": """
from click import command, group

@group()
def db(): ...

@db.command()
def migrate_cmd(): ...

@command()
def show(): ...
""",
}
TYPER = {
    "cli.py": """
import typer
from tin.db import app as db_app
from tin import users

app = typer.Typer()
app.add_typer(db_app, name="db")
app.add_typer(users.app)

@app.command()
def start_all(): ...

@app.callback()
def root(): ...

def main():
    app()
""",
    "db.py": "import typer\napp = typer.Typer()\n@app.command()\ndef migrate(): ...\n",
    "users.py": 'import typer\napp = typer.Typer(name="users")\n@app.command("add")\ndef x(): ...\n',
}
CYCLOPTS = {
    "cli.py": """
from cyclopts import App
from .db import db

app = App(name="tin")
app.command(db)
users = App(name=["users", "u"])
app.command(users)

def late(): ...
app.command(late)
app.command(late, name="later")

@app.command
def start_all(): ...

@app.command(name=("stop", "halt"))
def stop_all(): ...

@users.command
def add(): ...

@app.default
def nothing(): ...

def main():
    app()
""",
    "db.py": 'from cyclopts import App\ndb = App(name="db")\n@db.command\ndef migrate(): ...\n',
}
ARGPARSE = {
    "cli.py": """
import argparse

def add_db(sub):
    db = sub.add_parser("db")
    below = db.add_subparsers()
    below.add_parser("migrate").set_defaults(x=1)
    below.add_parser("show", help="…")

class Tool:
    def __init__(self):
        self.parser = argparse.ArgumentParser(prog="tin")
        sub = self.parser.add_subparsers(dest="command")
        start = sub.add_parser("start-all")
        start.add_argument("x")
        if True:
            sub.add_parser("stop")
        add_db(sub)

def main():
    Tool().parser.parse_args()
"""
}


def test_click(tmp_path: Path) -> None:
    found = read(tmp_path, CLICK)
    assert (found.framework, found.root, found.file.name) == ("click", "cli", "cli.py")
    wanted = {"start-all", "halt", "bare", "deep er", "db migrate", "display"}
    assert set(found.commands) == wanted


def test_typer(tmp_path: Path) -> None:
    found = read(tmp_path, TYPER)
    assert (found.framework, found.root) == ("typer", "app")
    assert set(found.commands) == {"start-all", "db migrate", "users add"}


def test_cyclopts(tmp_path: Path) -> None:
    found = read(tmp_path, CYCLOPTS)
    assert (found.framework, found.root) == ("cyclopts", "app")
    wanted = {"db migrate", "users add", "late", "later", "start-all", "stop"}
    assert set(found.commands) == wanted


def test_argparse(tmp_path: Path) -> None:
    found = read(tmp_path, ARGPARSE)
    assert (found.framework, found.root) == ("argparse", "self.parser")
    assert set(found.commands) == {"start-all", "stop", "db migrate", "db show"}


def test_the_root_may_lie_in_another_module_than_the_entry(tmp_path: Path) -> None:
    found = read(tmp_path, CLICK | {"run.py": "from tin.cli import cli as main\n"}, "tin.run:main")
    assert (found.root, found.file.name) == ("cli", "cli.py")


def test_no_framework_is_no_error(tmp_path: Path) -> None:
    found = read(tmp_path, {"cli.py": "def main(): ...\n"})
    assert (found.framework, found.commands, found.line) == ("", [], 0)


def test_nothing_is_imported_or_run(tmp_path: Path) -> None:
    trap = (
        "import click, os\nos.mkdir('ran')\nraise SystemExit\n@click.command()\ndef main(): ...\n"
    )
    folder = os.getcwd()
    try:
        os.chdir(tmp_path)
        assert read(tmp_path, {"cli.py": trap}).commands == ["main"]
    finally:
        os.chdir(folder)
    assert not (tmp_path / "ran").exists()


def test_a_group_that_holds_itself_ends(tmp_path: Path) -> None:
    loop = (
        "import click\n@click.group()\ndef a(): ...\n@a.group()\ndef b(): ...\nb.add_command(a)\n"
        "@b.command()\ndef c(): ...\n"
    )
    assert "b c" in read(tmp_path, {"cli.py": loop}, "tin.cli:a").commands


def test_a_module_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        module_file(tmp_path, "tin.cli")


def test_what_is_no_python_is_passed_over_but_for_where_the_program_starts(tmp_path: Path) -> None:
    """An editor's lock, a template of source, a folder with the name of a module."""
    (tmp_path / "tin" / "chart.py").mkdir(parents=True)
    (tmp_path / "tin" / ".#cli.py").symlink_to("nobody@nowhere.1:2")
    found = read(tmp_path, {"cli.py": ONE, "template.py": "def {{ name }}(:"})
    assert found.commands == ["start"]
    with pytest.raises(SyntaxError):
        read(tmp_path, {"cli.py": "def ("})


ONE = """
import click

@click.group()
def main(): ...

@main.command()
def start(): ...
"""
