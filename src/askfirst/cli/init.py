"""`askfirst init`: writes a first contract and its notice for a project that has a CLI."""

from __future__ import annotations

import json
import os
import shlex
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from askfirst.cli import notices
from askfirst.cli.main import Failure
from askfirst.cli.program import FRAMEWORKS, Program, module_file, read_program
from askfirst.cli.project import Project, read_project
from askfirst.contract import loading
from askfirst.contract.model import Contract, ContractError

CONTRACT, NOTICE = "telemetry.toml", "TELEMETRY.md"
LOCAL = "http://127.0.0.1:8600"  # where `askfirst serve` listens
RETENTION_DAYS = 395  # a year and a month: the same month of last year is there to compare with
REQUIRED = ("organisation", "contact", "details")  # nobody can guess them where nothing says them


@dataclass(slots=True)
class _Found:
    """The project, the script to instrument, and what its source says."""

    project: Project
    script: str
    folder: Path  # what is on sys.path for it
    module: str
    program: Program


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False))
@click.option("--yes", is_flag=True, help="Ask nothing: take what the flags and the project say.")
@click.option("--script", metavar="S", help="Which of the project's scripts.  [the only one]")
@click.option(
    "--framework",
    type=click.Choice(FRAMEWORKS),
    help="Which framework the CLI is made with.  [what the source imports]",
)
@click.option("--name", metavar="N", help="The tool's name; its dotfile is ~/.N.  [the script's]")
@click.option("--title", metavar="T", help="Its name in sentences.")
@click.option("--organisation", metavar="O", help="Who asks: the controller.  [the author]")
@click.option("--contact", metavar="C", help="Whom users can ask.  [the author's address]")
@click.option("--details", metavar="URL", help="Where they can read more.  [the project's page]")
@click.option(
    "--collector",
    metavar="URL",
    help=f"Where events go: https, or this machine.  [{LOCAL}]",
)
@click.option(
    "--retention-days",
    metavar="N",
    type=click.IntRange(1, 3660),
    help=f"Events are deleted after N days, at most 3660.  [{RETENTION_DAYS}]",
)
@click.option(
    "--command",
    "commands",
    metavar="C",
    multiple=True,
    help="A command that may be recorded; give it once for each.  [all that are found]",
)
def command(
    folder: str, *, yes: bool, script: str | None, framework: str | None, **given: Any
) -> None:
    """Write a first contract (telemetry.toml) and TELEMETRY.md for the project in FOLDER.

    Finds the CLI by reading the project's source, which is never run, asks a few questions, and
    shows the one line to add. Nothing that exists is overwritten; no source is changed.
    """
    found = _find(Path(folder).resolve(), script, framework or "")
    target, notice = found.program.file.parent / CONTRACT, found.project.root / NOTICE
    for path, remedy in (
        (target, f"change it by hand and run: askfirst contract check {_shown(target)}"),
        (notice, f"move it away, or run: askfirst contract notice FILE -o {_shown(notice)}"),
    ):
        if path.exists():
            raise Failure(f"{_shown(path)} exists, and nothing was written; {remedy}")
    answers = _answers(found, given, ask=not yes)
    text = _contract_text(answers)
    try:
        contract = loading.parse(text, CONTRACT)
    except ContractError as error:
        raise Failure(str(error).replace("\n", "\naskfirst: ")) from error
    _write(target, text)
    _write(notice, notices.document(contract, "telemetry"))
    click.echo(_steps(found, contract, target))


def _find(root: Path, script: str | None, framework: str) -> _Found:
    """Find the CLI. Raises Failure, or UsageError if there are several."""
    project = read_project(root)
    if not project.scripts:
        raise Failure(
            f"{_shown(root)} declares no command; add it to pyproject.toml under [project.scripts]"
        )
    if script is None and len(project.scripts) > 1:
        raise click.UsageError(f"say which with --script: {', '.join(project.scripts)}")
    name = script or next(iter(project.scripts))
    if name not in project.scripts:
        raise click.UsageError(f"--script: the project has {', '.join(project.scripts)}")
    module, _, attribute = project.scripts[name].partition("[")[0].strip().partition(":")
    for folder in project.source_folders():
        try:
            module_file(folder, module)
            program = read_program(folder, module, attribute, framework)
        except FileNotFoundError:
            continue
        except (SyntaxError, ValueError) as error:
            raise Failure(f"the source of {name} cannot be read: {error}") from error
        return _Found(project, name, folder, module, program)
    raise Failure(f"{name} is {module}:{attribute}, and there is no such module below {root}")


def _answers(found: _Found, given: dict[str, Any], *, ask: bool) -> dict[str, Any]:
    """Return an answer for every key of [tool]. Raises UsageError for what nobody said."""
    defaults = _defaults(found)
    answers: dict[str, Any] = {}
    for key, question in QUESTIONS.items():
        if given.get(key):
            answers[key] = _checked(key, given[key])
        elif ask:
            answers[key] = _ask(key, question, defaults.get(key))
        else:
            answers[key] = defaults.get(key)
    missing = [f"--{key.rstrip('s')}" for key in ("commands",) if not answers[key]]
    missing += [f"--{key}" for key in REQUIRED if not answers[key]]
    if missing:
        raise click.UsageError(f"give {', '.join(missing)}: the project does not say")
    return answers


QUESTIONS = {
    "name": "Name of the tool; answers are kept in ~/.NAME",
    "title": "Its name in sentences",
    "organisation": "Who asks (the controller, a person or an organisation)",
    "contact": "Whom can users ask (a mail address)",
    "details": "Where can they read more (a URL)",
    "collector": "Where do events go (your collector's URL)",
    "retention_days": "After how many days are events deleted",
    "commands": "Which commands may be recorded, separated by commas",
}


def _defaults(found: _Found) -> dict[str, Any]:
    project = found.project
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in found.script.lower())
    page = project.page.rstrip("/").removesuffix(".git")
    if page.startswith(("https://github.com/", "https://gitlab.com/")):
        page += f"/blob/HEAD/{NOTICE}"
    commands = [name for name in found.program.commands if name.split(" ")[0] != "telemetry"]
    return {
        "name": name.lstrip("-0123456789")[:40],
        "title": found.script.replace("-", " ").replace("_", " ").title(),
        "organisation": project.author,
        "contact": project.email,
        "details": page,
        "collector": LOCAL,
        "retention_days": RETENTION_DAYS,
        # a program without sub-commands is recorded by its own name
        "commands": commands or ([] if found.program.line == 0 else [found.script]),
    }


def _ask(key: str, question: str, default: Any) -> Any:
    shown = ", ".join(default) if isinstance(default, list) else default
    return click.prompt(
        question, default=shown or None, err=True, value_proc=lambda said: _checked(key, said)
    )


def _checked(key: str, said: Any) -> Any:
    """Return an answer in the contract's type. Raises BadParameter with what it has to be."""
    value = said
    if key == "retention_days":
        value = int(said) if str(said).strip().isdecimal() else said
    elif key == "commands":
        parts = said.split(",") if isinstance(said, str) else said
        value = [" ".join(part.split()) for part in parts if part.strip()]
    elif isinstance(said, str):
        value = said.strip()
    try:
        loading.parse(_contract_text(_SAMPLE | {key: value}))
    except ContractError as error:
        problem = error.problems[0].removeprefix(f"tool.{key}: ")
        flag = "--command" if key == "commands" else f"--{key.replace('_', '-')}"
        raise click.BadParameter(problem, param_hint=flag) from error
    return value


_SAMPLE: dict[str, Any] = {
    "name": "tool",
    "title": "Tool",
    "organisation": "Somebody",
    "contact": "privacy@example.org",
    "details": "https://example.org",
    "collector": LOCAL,
    "retention_days": RETENTION_DAYS,
    "commands": ["start"],
}


def _contract_text(answers: dict[str, Any]) -> str:
    """Return telemetry.toml, with what its reader has to know as comments."""
    said = {key: json.dumps(value, ensure_ascii=False) for key, value in answers.items()}
    commands = "".join(
        f"    {json.dumps(name, ensure_ascii=False)},\n" for name in answers["commands"]
    )
    own = f"~/.{answers['name']}"
    return f"""\
# Everything that this tool may collect, from those who said Yes. What is not declared here cannot
# leave a machine, and no collector accepts it. Whatever widens it later (a field, a command, a
# longer retention) makes every Yes void until its user is asked again.
# Check it with `askfirst contract check {CONTRACT}`.

[tool]
name = {said["name"]} # the answers are in {own}
title = {said["title"]}

# The controller, by the name that users know. It stands in the question.
organisation = {said["organisation"]}
# Whom users can ask; your data protection officer, if there is one.
contact = {said["contact"]}
# A page that explains it all. {NOTICE} is a good start.
details = {said["details"]}

# Your collector. For users it has to be https; http is for this machine only:
# `askfirst serve --contract {CONTRACT}` listens at {LOCAL}.
collector = {said["collector"]}
# Events are deleted after that many days.
retention_days = {said["retention_days"]}

# Only these are ever recorded, and only when they succeed. Never their arguments.
commands = [
{commands}]

# What else would answer a question you really have? Every field needs a treatment and a purpose,
# and a user reads both before they answer. Give its value in a command:
#     telemetry.set({{"application.name": "chat"}})

# [fields."application.name"]
# treatment = "hash" # leaves the machine only as a hash with a secret of that machine
# purpose = "How many applications do you build?"

# [fields.runtime]
# treatment = "version" # as it is, but only if it looks like a released version
# purpose = "Which runtime versions must we keep supporting?"

# [fields.system]
# treatment = "choice" # one of these, or "other"
# values = ["linux", "macos", "windows"]
# purpose = "Which systems must we test on?"

# [fields.interactive]
# treatment = "flag" # true or false
# purpose = "Do people run this, or scripts?"

# [fields.files]
# treatment = "bucket" # <10, 10 to <100, >=100
# buckets = [10, 100]
# purpose = "How large are the projects that must stay fast?"

# Public release dates, to see how fast users update.
# [releases]
# "1.4.0" = 2026-10-01
"""


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Failure(f"{_shown(path)} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {_shown(path)}", err=True)


def _steps(found: _Found, contract: Contract, target: Path) -> str:
    """Return what is left for the author to do."""
    steps = [
        _line_to_add(found),
        *_version_to_add(found),
        *_dependency(found.project),
        _in_the_wheel(found, target),
        f"""\
Fill in the blanks at the end of {NOTICE}; they are marked [fill in: …].""",
        f"""\
Install the project, then look at it from your side and from a user's:
    askfirst doctor {found.script}
    {found.script} telemetry status""",
    ]
    if contract.collector == LOCAL:
        steps.append(f"""\
Start a collector on this machine, or give `collector` your own before you release:
    askfirst serve --contract {_shown(target)}""")
    return "\n\n".join(f"{number}. {text}" for number, text in enumerate(steps, 1))


def _line_to_add(found: _Found) -> str:
    program = found.program
    framework = program.framework or "click"
    name = program.root if program.line else "cli"
    where = _shown(program.file) + (f", where {name} is (line {program.line})" * bool(program.line))
    when = {
        "argparse": "when the sub-commands are added, before parse_args",
        "click": "below the last command, before it is run",
    }.get(framework, "below the last command, before it is run")
    unsure = (
        "" if program.framework else "\n(No known framework was found; docs/client.md has others.)"
    )
    top = (
        f"from askfirst import Telemetry\nfrom askfirst.integrations.{framework} import instrument"
    )
    holder, module = _holder_of_version(found)
    if program.file.resolve() != holder.resolve():
        top += f"\nfrom {module} import __version__"
    line = (
        f'telemetry = Telemetry.from_contract("{CONTRACT}", version=__version__)\n'
        f"instrument({name}, telemetry)"
    )
    return (
        f"In {where}, at the top:\n{_indented(top)}\n"
        f"and {when}, what asks and records:\n{_indented(line)}{unsure}"
    )


def _holder_of_version(found: _Found) -> tuple[Path, str]:
    """Return the file that has, or should have, the version, and the module that it is."""
    package = found.module.partition(".")[0]
    top = found.folder / package
    return (top / "__init__.py" if top.is_dir() else top.with_suffix(".py")), package


def _version_to_add(found: _Found) -> list[str]:
    """Say how to have the version in one place, if the package has none to import.

    importlib.metadata would know it too, but takes 30 ms of every run of the program.
    """
    holder, _ = _holder_of_version(found)
    try:
        if "__version__" in holder.read_text(encoding="utf-8", errors="replace"):
            return []
    except FileNotFoundError:
        pass
    line = f'__version__ = "{found.project.version or "1.0.0"}"'
    return [
        f"Give {_shown(holder)} the version, and let pyproject.toml read it from there:\n"
        + _indented(line)
    ]


def _dependency(project: Project) -> list[str]:
    if any(row.partition("[")[0].strip().startswith("askfirst") for row in project.dependencies):
        return []
    return ['Add "askfirst" to the dependencies in pyproject.toml; it depends on nothing itself.']


def _in_the_wheel(found: _Found, target: Path) -> str:
    """Say how the contract gets into the wheel: a program that cannot find it records nothing."""
    package = ".".join(target.parent.relative_to(found.folder).parts)
    shown = _shown(target)
    if not package:
        return (
            f"{shown} has to be installed with the program, and a single module cannot bring a "
            "file along: make it a package, with the contract in the package's folder."
        )
    backend = found.project.backend
    if backend == "setuptools":
        table = f'[tool.setuptools.package-data]\n"{package}" = ["{CONTRACT}"]'
        return f"Have setuptools put {shown} into the wheel, in pyproject.toml:\n{_indented(table)}"
    known = {
        "hatchling": "hatchling",
        "uv_build": "uv_build",
        "poetry": "poetry",
        "flit_core": "flit",
    }
    if backend in known:
        return (
            f"Nothing to do for the wheel: {known[backend]} takes every file of a package, unless "
            f"git ignores it. Commit {shown}."
        )
    return f"See to it that {shown} is in the wheel, as a data file of the package {package}."


def _indented(text: str) -> str:
    return textwrap.indent(text, "    ")


def _shown(path: Path) -> str:
    """Return a path as somebody in this folder would type it."""
    try:
        return shlex.quote(os.path.relpath(path))
    except ValueError:  # another drive
        return shlex.quote(str(path))
