"""A small typer CLI with telemetry; PLAIN=1 runs it without, EARLY=1 instruments it while it is
empty, COMMAND=1 calls the click command that typer makes of it.
"""

import json
import os
import sys
from typing import Annotated

import typer

from askfirst import Telemetry
from askfirst.integrations.typer import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])

app = typer.Typer(name="tin")
if "EARLY" in os.environ:
    instrument(app, telemetry)
database = typer.Typer()
status = typer.Typer(invoke_without_command=True)
app.add_typer(database, name="db")
app.add_typer(status, name="status")


def show_version(given: bool) -> None:
    if given:
        typer.echo(os.environ["TOOL_VERSION"])
        raise typer.Exit


@app.callback()
def tin(
    config: str = "",
    version: Annotated[bool, typer.Option("--version", callback=show_version)] = False,
) -> None:
    """Keep tins."""


@app.command()
def start(label: Annotated[str, typer.Argument()] = "", into: str = "") -> None:
    """Start, with the telemetry values of a JSON text in the environment."""
    if "VALUES" in os.environ:
        telemetry.set(json.loads(os.environ["VALUES"]))
    typer.echo("started")


@app.command()
def read() -> None:
    """Read one line; not in the contract."""
    typer.echo("ready")
    typer.echo(f"read {sys.stdin.readline()!r}")


@database.command()
def migrate(to: Annotated[str, typer.Argument()] = "") -> None:
    typer.echo("migrated")


@status.callback()
def status_alone(ctx: typer.Context) -> None:
    """A group that is a command too."""
    if ctx.invoked_subcommand is None:
        typer.echo("fine")


@status.command()
def deep() -> None:
    """Not in the contract."""
    typer.echo("deep")


@app.command(context_settings={"ignore_unknown_options": True})
def pass_on(words: Annotated[list[str] | None, typer.Argument()] = None) -> None:
    """Hand every word to another program."""
    typer.echo(" ".join(words or []))


@app.command("say")
def speak(loud: Annotated[bool, typer.Option("--verbose")] = False) -> None:
    """Has a --verbose of its own, under another name."""
    typer.echo("LOUD" if loud else "soft")


@app.command()
def fail(how: str) -> None:
    """End in one of the ways in which commands end."""
    typer.echo("half done")
    if how == "error":
        raise RuntimeError("broken")
    if how == "usage":
        raise typer.BadParameter("broken")
    if how == "abort":
        raise typer.Abort
    if how == "interrupt":
        raise KeyboardInterrupt
    if how.startswith("exit"):
        raise typer.Exit(int(how[4:]))
    if how == "text":
        sys.exit("broken")
    sys.exit(int(how) if how else None)


if __name__ == "__main__":
    if "PLAIN" not in os.environ and "EARLY" not in os.environ:
        instrument(app, telemetry)
    if "COMMAND" in os.environ:
        typer.main.get_command(app)(prog_name="tin")
    app(prog_name="tin")
