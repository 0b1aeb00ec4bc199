"""The reference names everything there is, and says what the code says."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

import askfirst.contract
import askfirst.contract.event
import askfirst.contract.model
from askfirst.cli.main import root
from askfirst.cli.serve import command as serve
from askfirst.client.consent import CI_VARIABLES, REASONS
from askfirst.client.sender import NEVER
from askfirst.client.vocabulary import COMMANDS
from askfirst.collector.pipeline import DropReason
from askfirst.contract.event import ALWAYS
from askfirst.contract.loading import load
from askfirst.contract.model import TREATMENTS
from askfirst.dashboard.pages import PAGES
from tools import reference

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "askfirst"
REFERENCE = {path.stem: path.read_text() for path in (ROOT / "docs" / "reference").glob("*.md")}
EVENTS, SETTINGS = REFERENCE["events"], REFERENCE["settings"]


def first_cells(text: str) -> list[str]:
    """The first cell of every row of every table."""
    return [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line[:2] == "| "]


def names_in_first_cells(text: str) -> set[str]:
    return {name for cell in first_cells(text) for name in re.findall("`([^`]+)`", cell)}


# What the code says stands on the pages


def test_generated_parts_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_every_generator_has_its_place() -> None:
    used = re.findall("<!-- generated: ([a-z-]+) -->", "".join(REFERENCE.values()))
    assert sorted(used) == sorted(reference.GENERATORS)


def test_a_page_that_is_out_of_date_is_noticed_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    page.write_text("By hand.\n<!-- generated: reasons -->\nold\n<!-- end -->\nBy hand.\n")
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "DOCS", tmp_path / "docs")
    assert reference.main(["--check"]) == 1
    assert "\nold\n" in page.read_text()
    assert reference.main([]) == 0
    text = page.read_text()
    assert "\nold\n" not in text
    assert "| `ci` |" in text
    assert text.startswith("By hand.\n")
    assert text.endswith("<!-- end -->\nBy hand.\n")
    assert reference.main(["--check"]) == 0


def test_a_help_text_is_what_a_terminal_shows() -> None:
    words = [sys.executable, "-m", "askfirst", "serve", "--help"]
    env = {"PATH": os.environ["PATH"], "COLUMNS": "80", "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=True)
    assert f"## askfirst serve\n\n```text\n{done.stdout}```" in REFERENCE["commands"]


# Everything there is has its place


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, group
    if isinstance(group, click.Group):
        context = click.Context(group)
        for name in group.list_commands(context):
            child = group.get_command(context, name)
            assert child is not None
            yield from commands(child, f"{path} {name}")


@pytest.mark.parametrize(
    ("path", "command"),
    list(commands(root, "askfirst")),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_command_has_its_help_with_every_option(path: str, command: click.Command) -> None:
    text = REFERENCE["commands"].split(f"\n## {path}\n")[1].split("\n## ")[0]
    assert f"Usage: {path} " in text
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert option.opts[0] in text, option


@pytest.mark.parametrize("name", COMMANDS)
def test_every_telemetry_command_is_there(name: str) -> None:
    assert f"`{name}`" in first_cells(REFERENCE["telemetry"])


def test_every_reason_for_on_or_off_is_there_in_order() -> None:
    text = REFERENCE["telemetry"].split("## Why it is on or off")[1]
    listed = [cell for cell in first_cells(text) if cell.strip("`") in REASONS]
    assert listed == [f"`{name}`" for name in REASONS]


@pytest.mark.parametrize("option", [p.opts[0] for p in serve.params if p.name != "more"])
def test_every_setting_has_its_variable_and_its_key(option: str) -> None:
    [row] = [line for line in SETTINGS.splitlines() if line.startswith(f"| `{option}` |")]
    key = option.removeprefix("--")
    assert f"`ASKFIRST_SERVE_{key.upper().replace('-', '_')}`" in row
    assert f"`{key}`" in row or key == "config"


@cache
def variables() -> set[str]:
    """Every name that the code looks up in an environment, or sets in one."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        if "_vendor" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            holder, key = None, None
            if isinstance(node, ast.Subscript):
                holder, key = node.value, node.slice
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                holder, key = node.func.value, node.args[0]
            elif isinstance(node, ast.Compare):
                holder, key = node.comparators[0], node.left
            if holder is not None and re.search(
                r"\b(env|environ|environment)$", ast.unparse(holder)
            ):
                keys = [key.body, key.orelse] if isinstance(key, ast.IfExp) else [key]
                found |= {k.value for k in keys if isinstance(k, ast.Constant)}
        found |= set(re.findall(r'"(ASKFIRST_[A-Z_]+|XDG_[A-Z_]+)"', path.read_text()))
    return found - {"ASKFIRST_SERVE", "ASKFIRST_SERVE_CONTRACT"}


def test_every_environment_variable_is_there() -> None:
    found = variables()
    assert {"ASKFIRST_TOKEN", "XDG_DATA_HOME", "TERM", "DO_NOT_TRACK", "SSL_CERT_FILE"} <= found
    missing = {name for name in found if f"`{name}`" not in SETTINGS}
    assert missing == set()
    assert {name for name in CI_VARIABLES if f"`{name}`" not in SETTINGS} == set()


def test_no_variable_of_ours_is_there_that_does_not_exist() -> None:
    text = SETTINGS.split("## Of an instrumented tool")[1]
    ours = {name for name in names_in_first_cells(text) if name.startswith("ASKFIRST_")}
    assert ours <= variables()


def test_every_drop_reason_is_there_and_no_other() -> None:
    listed = names_in_first_cells(EVENTS.split("## Why an event is dropped")[1])
    assert listed == {reason.value for reason in DropReason}


def test_every_part_of_an_event_is_there_and_no_other() -> None:
    text = EVENTS.split("## What every event has")[1].split("\n## ")[0]
    assert names_in_first_cells(text) == set(ALWAYS)


def test_every_treatment_is_there_and_no_other() -> None:
    text = EVENTS.split("## What a contract adds")[1].split("\n## ")[0]
    assert names_in_first_cells(text) == set(TREATMENTS)


def test_every_endpoint_is_there() -> None:
    """The description is held against the routes themselves by tests/collector/test_openapi.py."""
    described = json.loads(reference.OPENAPI.read_text())["paths"]
    for path, methods in described.items():
        for method, what in methods.items():
            title = f"\n## {method.upper()} {path}\n"
            assert title in REFERENCE["endpoints"]
            text = REFERENCE["endpoints"].split(title)[1].split("\n## ")[0]
            assert [c for c in first_cells(text) if c.isdigit()] == list(what["responses"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.path)
def test_every_page_of_the_dashboard_is_there(page: Any) -> None:
    assert f"| `{page.path}` |" in (ROOT / "docs" / "dashboard.md").read_text()


def test_every_exception_of_an_author_is_there() -> None:
    modules = (askfirst.contract, askfirst.contract.event, askfirst.contract.model)
    raised = {
        name
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    text = REFERENCE["errors"].split("## What a tool can raise")[1].split("\n## ")[0]
    assert names_in_first_cells(text) == raised


def test_the_answers_after_which_a_batch_is_forgotten_are_the_senders() -> None:
    cells = first_cells(REFERENCE["errors"])
    assert ", ".join(str(status) for status in NEVER) in cells


# What the how-to says of consent is what a contract says of itself

BASE = """
[tool]
name = "notes"
title = "Notes"
organisation = "Ada"
collector = "https://telemetry.example.org"
details = "https://example.org"
contact = "ada@example.org"
retention_days = 100
commands = ["add", "show"]
[fields.format]
treatment = "choice"
values = ["text", "markdown"]
purpose = "Which formats?"
[fields.count]
treatment = "bucket"
buckets = [10, 100]
purpose = "How many?"
"""
FLAG = '[fields.draft]\ntreatment = "flag"\npurpose = "?"\n'
CHANGES = {  # words of the how-to -> what is replaced in a contract, by what
    "add a field": ("[fields.count]", FLAG + "[fields.count]"),
    "or a command": ('"show"]', '"show", "drop"]'),
    "treat a field otherwise": ('"choice"\nvalues = ["text", "markdown"]', '"hash"'),
    "add a choice": ('"markdown"]', '"markdown", "html"]'),
    "a bound of a bucket": ("100]", "50, 100]"),
    "keep events longer": ("= 100\n", "= 101\n"),
    "change the organisation": ('"Ada"', '"Grace"'),
    "take a field": (BASE[BASE.index("[fields.count]") :], ""),
    "a command or a choice out": (', "show"]', "]"),
    "choice out": (', "markdown"]', "]"),
    "keep events for a shorter time": ("= 100\n", "= 99\n"),
    "change a title": ('"Notes"', '"The Notes"'),
    "a purpose": ('"How many?"', '"How many notes?"'),
    "`details`": ("https://example.org", "https://example.com"),
    "`contact`": ("ada@", "grace@"),
    "`collector`": ("https://telemetry.", "https://elsewhere."),
}


@pytest.mark.parametrize("words", CHANGES)
def test_a_change_does_to_consent_what_the_how_to_says(words: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "add-a-field.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and words in line]
    assert len(rows) == 1, rows
    said = rows[0].split(" | ")[1].strip(" |")
    before, after = tmp_path / "before.toml", tmp_path / "after.toml"
    before.write_text(BASE)
    after.write_text(BASE.replace(*CHANGES[words]))
    assert after.read_text() != BASE
    more = load(after).collects_more_than(load(before).agreement())
    assert (more == []) == (said == "goes on"), more
