"""`askfirst contract check|show|notice|diff`."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from askfirst.cli import difference, notices
from askfirst.cli.main import Failure
from askfirst.contract import loading
from askfirst.contract.model import Contract, ContractError

STDIN = "-"


@click.group()
def command() -> None:
    """Check, show, explain or compare contracts (telemetry.toml).

    Wherever a FILE is asked for, - stands for stdin.
    """


def read(file: str) -> Contract:
    """Load a contract, or fail with every problem it has. `-` is stdin."""
    try:
        if file == STDIN:
            return loading.parse(_stdin(), "stdin")
        return loading.load(file)
    except ContractError as error:
        raise Failure(str(error).replace("\n", "\naskfirst: ")) from error


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContractError("stdin", [f"is not UTF-8 text (byte {error.start})"]) from error


@command.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
def check(files: tuple[str, ...]) -> None:
    """Validate contracts: exit 0 if a client and a collector could use them.

    Warns, on stderr, of a retention that is too short for some answers.
    """
    from askfirst.questions.history import NEEDED_DAYS

    for file in files:
        contract = read(file)
        click.echo(
            f"{file}: good. {contract.title} may record {len(contract.commands)} commands "
            f"and {len(contract.fields)} fields."
        )
        if contract.retention_days < NEEDED_DAYS:
            click.echo(
                f"{file}: retention_days = {contract.retention_days} is less than the answers look "
                f"back: below {NEEDED_DAYS} they leave out who is new, returning or lost, and what "
                "else needs older events.",
                err=True,
            )


@command.command()
@click.argument("file")
def show(file: str) -> None:
    """Print the canonical JSON form, then the digest."""
    contract = read(file)
    click.echo(contract.canonical())
    click.echo(contract.digest)


@command.command()
@click.argument("file")
@click.option(
    "--form",
    type=click.Choice(list(notices.FORMS)),
    help="telemetry: TELEMETRY.md, for users. prompt: the question as they see it. art13: the "
    "privacy notice of GDPR, Art. 13. art30: the record of processing of Art. 30.  [telemetry]",
)
@click.option(
    "-o",
    "--output",
    metavar="DOC",
    type=click.Path(dir_okay=False),
    help="Write here, not to stdout. In a document that is there already, only the generated part "
    "is made anew.",
)
@click.option(
    "--check",
    "checked",
    metavar="DOC",
    type=click.Path(dir_okay=False),
    help="Write nothing; exit 1 if the generated part of DOC no longer matches.",
)
def notice(file: str, form: str | None, output: str | None, checked: str | None) -> None:
    """Write a privacy notice, or another text for people, from a contract.

    A document has a generated part between two marks, which are comments. What stands around it is
    yours and is never changed or compared: other words, and the blanks, marked [fill in: …], for
    what the contract cannot know. The texts are a careful start and no legal advice.
    """
    if output is not None and checked is not None:
        raise click.UsageError("give --output or --check, not both")
    contract = read(file)
    if checked is not None:
        _compare(contract, file, form, checked)
    elif output is not None:
        _write(contract, form, output)
    elif form == "prompt":
        click.echo(notices.prompt(contract), nl=False)
    else:
        click.echo(notices.document(contract, form or "telemetry"), nl=False)


def _compare(contract: Contract, file: str, form: str | None, path: str) -> None:
    """Fail if a document's generated parts are not what the contract gives."""
    text = _read_document(path)
    there = notices.forms_in(text)
    wanted = form or next(iter(there), "telemetry")
    trouble = notices.stale(text, contract)
    if not trouble and wanted not in there:
        trouble = f"has no generated part of the form {wanted}"
    if trouble and not there:
        raise Failure(f"{path} {trouble}; move it away, then run: {_remedy(file, wanted, path)}")
    if trouble:
        raise Failure(f"{path} {trouble}; run: {_remedy(file, wanted, path)}")
    blanks = len(notices.BLANK.findall(text))
    left = f" {blanks} blanks in it are still to be filled in." if blanks else ""
    click.echo(f"{path}: matches {file}.{left}")


def _remedy(file: str, form: str, path: str) -> str:
    return shlex.join(["askfirst", "contract", "notice", file, "--form", form, "-o", path])


def _write(contract: Contract, form: str | None, path: str) -> None:
    """Write a new document, or renew the generated parts of one."""
    if not Path(path).exists():
        text = notices.document(contract, form or "telemetry")
    else:
        text = _read_document(path)
        there = notices.forms_in(text)
        wanted = [form] if form else there
        if not there or any(name not in there for name in wanted):
            raise Failure(
                f"{path} exists and has no generated part{f' of the form {form}' * bool(form)}; "
                "move it away, or put the text of this command without -o where it belongs"
            )
        for name in wanted:
            text = notices.renew(text, contract, name)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from error
    blanks = len(notices.BLANK.findall(text))
    left = f"; {blanks} blanks to fill in, marked [fill in: …]" if blanks else ""
    click.echo(f"wrote {path}{left}", err=True)


def _read_document(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is not UTF-8 text (byte {error.start})") from error


HEADINGS = {
    difference.WIDENS: "Collects more:",
    difference.NARROWS: "Collects less:",
    difference.NEUTRAL: "Neither more nor less:",
}
STARTED_OVER = "Nobody's answer is found again: everybody is asked from the start."
ASKED_AGAIN = "Users who said Yes will be asked again, and nothing is sent until they answer."


@command.command()
@click.argument("old")
@click.argument("new")
@click.option("--check", "guard", is_flag=True, help="Exit 1 if users are asked again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def diff(old: str, new: str, *, guard: bool, as_json: bool) -> None:
    """Say in words what changes from one contract to another.

    Whether NEW collects more is decided by the code that decides it on users' machines. To compare
    with the last commit: git show HEAD:./telemetry.toml | askfirst contract diff - telemetry.toml
    """
    if old == new == STDIN:
        raise click.UsageError("stdin can be one of the two, not both")
    before, after = read(old), read(new)
    found = difference.compare(before, after)
    if as_json:
        answer = {
            "old": before.digest,
            "new": after.digest,
            "widens": found.widens,
            "more": found.more,
            "startsOver": found.starts_over,
            "changes": [change.as_dict() for change in found.changes],
        }
        click.echo(json.dumps(answer, indent=2))
    else:
        _say(found)
    if guard and found.widens:
        raise Failure(f"{new} collects more than {old}: {', '.join(found.more)}. {ASKED_AGAIN}")
    if guard and found.starts_over:
        raise Failure(
            f"with {new} answers are looked for elsewhere than with {old}. {STARTED_OVER}"
        )


def _say(found: difference.Difference) -> None:
    for effect, heading in HEADINGS.items():
        texts = [change.text for change in found.changes if change.effect == effect]
        if texts:
            click.echo(heading)
            for text in texts:
                click.echo(f"- {text}")
            click.echo()
    if found.widens:
        click.echo(ASKED_AGAIN)
    elif found.starts_over:
        click.echo(STARTED_OVER)
    elif found.changes:
        click.echo("A Yes carries over: nobody is asked again because of this.")
    else:
        click.echo("The two contracts say the same.")
