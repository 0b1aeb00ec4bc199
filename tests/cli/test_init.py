"""`askfirst init`: what it writes is good, and following what it shows, verbatim, works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from askfirst.cli import notices
from askfirst.cli.main import root
from askfirst.contract.loading import load
from tests.cli.test_program import ARGPARSE, CLICK, CYCLOPTS, TYPER

PROJECT = """
[build-system]
requires = ["{backend}"]
build-backend = "{backend}.build"

[project]
name = "tin"
version = "1.2.0"
authors = [{{ name = "Ann Author", email = "ann@example.org" }}]

[project.scripts]
tin = "tin.cli:main"

[project.urls]
Repository = "https://github.com/ann/tin.git"
"""
ROOTS = {"click": "cli", "typer": "app", "cyclopts": "app", "argparse": "self.parser"}
SOURCES = {"click": CLICK, "typer": TYPER, "cyclopts": CYCLOPTS, "argparse": ARGPARSE}
SAID = ("--organisation", "Acme", "--contact", "dpo@example.org", "--details", "https://a.example")


def make(folder: Path, framework: str = "click", backend: str = "hatchling") -> Path:
    """Write a project; return the folder of its package."""
    package = folder / "src" / "tin"
    for name, text in SOURCES[framework].items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    (folder / "pyproject.toml").write_text(PROJECT.format(backend=backend))
    return package


def init(*words: str, say: str = "") -> Result:
    return CliRunner().invoke(root, ["init", *words], prog_name="askfirst", input=say)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("framework", SOURCES)
def test_following_what_it_shows_works(tmp_path: Path, framework: str) -> None:
    package = make(tmp_path, framework)
    done = init("--yes")
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == ["wrote src/tin/telemetry.toml", "wrote TELEMETRY.md"]
    top, line = re.findall(r"(?m)(?:^    .*\n)+", done.stdout)[:2]
    assert f"instrument({ROOTS[framework]}, " in line
    version = re.search(r'^    (__version__ = "1.2.0")$', done.stdout, re.MULTILINE)
    assert version is not None
    (package / "__init__.py").write_text(version[1] + "\n")
    source = (package / "cli.py").read_text()
    source = re.sub("(?m)^    ", "", top) + source
    if framework == "argparse":  # when the sub-commands are added
        place = "        add_db(sub)\n"
        assert place in source
        source = source.replace(place, place + textwrap.indent(line, "    "), 1)
    else:
        source += textwrap.dedent(line)
    (package / "cli.py").write_text(source)
    status = subprocess.run(
        [sys.executable, "-c", "import tin.cli as t; t.main()", "telemetry", "status"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "src"), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert status.returncode == 0, status.stderr
    assert status.stdout.startswith("Telemetry of Tin 1.2.0\n  state    off: ")


def test_what_is_written_is_a_good_contract_with_its_notice(tmp_path: Path) -> None:
    package = make(tmp_path)
    init("--yes")
    contract = load(package / "telemetry.toml")
    assert (contract.name, contract.title, contract.organisation) == ("tin", "Tin", "Ann Author")
    assert contract.contact == "ann@example.org"
    assert contract.details == "https://github.com/ann/tin/blob/HEAD/TELEMETRY.md"
    assert contract.collector == "http://127.0.0.1:8600"
    assert set(contract.commands) == {*CLICK_COMMANDS}
    assert contract.fields == {}
    text = (tmp_path / "TELEMETRY.md").read_text()
    assert notices.stale(text, contract) == ""


CLICK_COMMANDS = ("start-all", "halt", "bare", "deep er", "db migrate", "display")


def test_every_example_in_the_comments_is_good(tmp_path: Path) -> None:
    package = make(tmp_path)
    init("--yes")
    path = package / "telemetry.toml"
    lines = path.read_text().splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("# [fields."))
    shown = [line.removeprefix("# ") for line in lines[start:] if "Public release" not in line]
    path.write_text("\n".join(lines[:start] + shown))
    contract = load(path)
    assert {field.treatment for field in contract.fields.values()} == {
        *("hash", "version", "choice", "flag", "bucket")
    }
    assert contract.releases == {"1.4.0": "2026-10-01"}


def test_each_question_is_a_flag(tmp_path: Path) -> None:
    package = make(tmp_path)
    words = ("--name", "can", "--title", "Can", "--collector", "https://t.example")
    words += ("--retention-days", "30", "--command", "halt", "--command", "db migrate")
    assert init("--yes", *SAID, *words).exit_code == 0
    contract = load(package / "telemetry.toml")
    assert (contract.name, contract.title, contract.organisation) == ("can", "Can", "Acme")
    assert (contract.contact, contract.details) == ("dpo@example.org", "https://a.example")
    assert (contract.collector, contract.retention_days) == ("https://t.example", 30)
    assert contract.commands == ("halt", "db migrate")


def test_questions_have_defaults_and_ask_again(tmp_path: Path) -> None:
    package = make(tmp_path)
    said = ["", "The Can", "", "", "", "http://t.example", "https://t.example", "0", "30", "halt"]
    done = init(say="\n".join(said) + "\n")
    assert done.exit_code == 0, done.output
    assert "Name of the tool; answers are kept in ~/.NAME [tin]: " in done.stderr
    assert "would send in the clear; use https" in done.stderr
    assert "give whole days from 1 to 3660" in done.stderr
    assert done.stdout.startswith("1. In src/tin/cli.py, where cli is (line 7), at the top:\n")
    contract = load(package / "telemetry.toml")
    assert (contract.title, contract.organisation) == ("The Can", "Ann Author")
    assert (contract.collector, contract.retention_days) == ("https://t.example", 30)
    assert contract.commands == ("halt",)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    package = make(tmp_path)
    for path in (package / "telemetry.toml", tmp_path / "TELEMETRY.md"):
        path.write_text("mine")
        before = sorted(tmp_path.rglob("*"))
        failed = init("--yes")
        assert failed.exit_code == 1
        assert "exists, and nothing was written; " in failed.stderr
        assert len(failed.stderr.splitlines()) == 1
        assert sorted(tmp_path.rglob("*")) == before
        assert path.read_text() == "mine"
        path.unlink()


def test_input_that_ends_writes_nothing(tmp_path: Path) -> None:
    package = make(tmp_path)
    assert init(say="can\n").exit_code == 1
    assert not (package / "telemetry.toml").exists()


def test_what_the_project_does_not_say_has_to_be_said(tmp_path: Path) -> None:
    make(tmp_path)
    text = PROJECT.format(backend="hatchling")
    text = re.sub(r"(?m)^authors.*$|^Repository.*$", "", text)
    (tmp_path / "pyproject.toml").write_text(text)
    done = init("--yes")
    assert done.exit_code == 2
    assert "give --organisation, --contact, --details: the project does not say" in done.stderr
    assert init("--yes", *SAID).exit_code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--name", "Tin!"), "Invalid value for --name: 'Tin!' will not do"),
        (("--collector", "http://t.example"), "would send in the clear"),
        (("--command", "--x"), "Invalid value for --command: '--x' will not do"),
        (("--title", "a\nb"), "Invalid value for --title: must be one line"),
        (("--script", "can"), "--script: the project has tin"),
    ],
)
def test_a_flag_that_will_not_do_is_wrong_usage(
    tmp_path: Path, words: tuple[str, str], said: str
) -> None:
    package = make(tmp_path)
    done = init("--yes", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (package / "telemetry.toml").exists()


def test_projects_that_will_not_do(tmp_path: Path) -> None:
    assert "has no pyproject.toml" in init("--yes").stderr
    (tmp_path / "pyproject.toml").write_text("[project\n")
    assert "is no TOML file" in init("--yes").stderr
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert "declares no command" in init("--yes").stderr
    (tmp_path / "pyproject.toml").write_text('[project.scripts]\na = "a:b"\nc = "c:d"\n')
    several = init("--yes")
    assert (several.exit_code, "--script: a, c" in several.stderr) == (2, True)
    assert "there is no such module" in init("--yes", "--script", "a").stderr
    (tmp_path / "a.py").write_text("def (")
    assert "the source of a cannot be read" in init("--yes", "--script", "a").stderr


def test_a_project_of_setup_cfg_or_of_poetry(tmp_path: Path) -> None:
    package = make(tmp_path)
    (tmp_path / "pyproject.toml").unlink()
    (tmp_path / "setup.cfg").write_text(
        "[metadata]\nname = tin\nversion = attr: tin.v\nauthor = Ann\nauthor_email = a@b.example\n"
        "url = https://tin.example\n[options.entry_points]\nconsole_scripts =\n    tin = tin.cli:main\n"
    )
    assert init("--yes").exit_code == 0
    contract = load(package / "telemetry.toml")
    assert (contract.organisation, contract.contact) == ("Ann", "a@b.example")
    assert contract.details == "https://tin.example"
    for path in (package / "telemetry.toml", tmp_path / "TELEMETRY.md", tmp_path / "setup.cfg"):
        path.unlink()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry]\nname = "tin"\nauthors = ["Ann <a@b.example>"]\nhomepage = "https://t.example"\n'
        '[tool.poetry.scripts]\ntin = "tin.cli:main"\n'
        '[build-system]\nbuild-backend = "poetry.core.masonry.api"\n'
    )
    done = init("--yes")
    assert "poetry takes every file of a package" in done.stdout
    assert load(package / "telemetry.toml").contact == "a@b.example"


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        ("hatchling", "Nothing to do for the wheel: hatchling takes every file"),
        ("uv_build", "Nothing to do for the wheel: uv_build takes every file"),
        ("setuptools", '[tool.setuptools.package-data]\n    "tin" = ["telemetry.toml"]'),
        ("maturin", "See to it that src/tin/telemetry.toml is in the wheel"),
    ],
)
def test_how_the_contract_gets_into_the_wheel(tmp_path: Path, backend: str, said: str) -> None:
    make(tmp_path, backend=backend)
    assert said in init("--yes").stdout


def test_a_single_module_cannot_bring_a_file(tmp_path: Path) -> None:
    (tmp_path / "tin.py").write_text(CLICK["cli.py"])
    (tmp_path / "pyproject.toml").write_text('[project.scripts]\ntin = "tin:main"\n')
    done = init("--yes", *SAID)
    assert "make it a package" in done.stdout
    assert (tmp_path / "telemetry.toml").is_file()
