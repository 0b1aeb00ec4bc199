"""A small click CLI with telemetry; PLAIN=1 runs it without, for comparison."""

import json
import os
import sys

import click

from askfirst import Telemetry
from askfirst.integrations.click import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])


@click.group()
@click.version_option(os.environ["TOOL_VERSION"])
@click.option("--config", default="")
def cli(config: str) -> None:
    """Keep tins."""


@cli.command()
@click.argument("label", default="")
@click.option("--into", default="")
def start(label: str, into: str) -> None:
    """Start, with the telemetry values of a JSON text in the environment."""
    if "VALUES" in os.environ:
        telemetry.set(json.loads(os.environ["VALUES"]))
    click.echo("started")


@cli.command()
def read() -> None:
    """Read one line; not in the contract."""
    click.echo("ready")
    click.echo(f"read {sys.stdin.readline()!r}")


@cli.group()
def db() -> None:
    """A group that does nothing on its own."""


@db.command()
@click.argument("to", default="")
def migrate(to: str) -> None:
    click.echo("migrated")


@cli.group(invoke_without_command=True)
@click.pass_context
def status(ctx: click.Context) -> None:
    """A group that is a command too."""
    if ctx.invoked_subcommand is None:
        click.echo("fine")


@status.command()
def deep() -> None:
    """Not in the contract."""
    click.echo("deep")


@cli.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def pass_on(words: "tuple[str, ...]") -> None:
    """Hand every word to another program."""
    click.echo(" ".join(words))


@click.command()
@click.option("--verbose", "loud", is_flag=True)
def speak(loud: bool) -> None:
    """Has a --verbose of its own, under another name."""
    click.echo("LOUD" if loud else "soft")


@cli.command()
@click.argument("how")
@click.pass_context
def fail(ctx: click.Context, how: str) -> None:
    """End in one of the ways in which commands end."""
    click.echo("half done")
    if how == "error":
        raise RuntimeError("broken")
    if how == "click":
        raise click.ClickException("broken")
    if how == "usage":
        raise click.UsageError("broken")
    if how == "abort":
        raise click.Abort
    if how == "interrupt":
        raise KeyboardInterrupt
    if how.startswith("ctx"):
        ctx.exit(int(how[3:]))
    if how == "text":
        sys.exit("broken")
    if how.startswith("raise"):
        raise SystemExit(int(how[5:]))
    sys.exit(int(how) if how else None)


cli.add_command(speak, "say")

if __name__ == "__main__":
    if "PLAIN" not in os.environ:
        instrument(cli, telemetry)
    cli(prog_name="tin")
