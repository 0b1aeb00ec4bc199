"""`askfirst contract check|show|notice`."""

from __future__ import annotations

from pathlib import Path

import click

from askfirst.cli.main import Failure
from askfirst.contract import loading
from askfirst.contract.model import Contract, ContractError
from askfirst.contract.notice import notice as notice_text


@click.group()
def command() -> None:
    """Check, show or explain a contract (telemetry.toml)."""


def read(file: str) -> Contract:
    """Load a contract, or fail with every problem it has."""
    try:
        return loading.load(file)
    except ContractError as error:
        raise Failure(str(error).replace("\n", "\naskfirst: ")) from error


@command.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
def check(files: tuple[str, ...]) -> None:
    """Validate contracts: exit 0 if a client and a collector could use them."""
    for file in files:
        contract = read(file)
        click.echo(
            f"{file}: good. {contract.title} may record {len(contract.commands)} commands "
            f"and {len(contract.fields)} fields."
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
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write here, not to stdout.")
def notice(file: str, output: str | None) -> None:
    """Write the privacy notice, TELEMETRY.md, from a contract."""
    text = notice_text(read(file))
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}") from error
    click.echo(f"wrote {output}", err=True)
