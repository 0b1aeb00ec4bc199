"""The root of the `askfirst` command: finds subcommands, and turns failures into one line."""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
from typing import Any

import click

from askfirst import __version__

# name -> one line for --help. The module askfirst.cli.<name> holds a click command named `command`;
# it is imported only when it is called for.
COMMANDS = {
    "demo": "Everything at once on this machine.",
    "init": "Write a first contract for a project with a CLI.",
    "doctor": "Check an instrumented CLI end to end.",
    "serve": "Run the collector.",
    "report": "Print the answers.",
    "simulate": "Make a population whose true answers are known.",
    "contract": "Check, show, explain or compare contracts.",
    "inspect": "Print whatever a tool sends; store nothing.",
    "store": "Look after a store.",
}


class Failure(click.ClickException):
    """It failed: one line on stderr says why and what to do; exit code 1."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 - always stderr
        click.echo(f"askfirst: {self.message}", err=True)


class _Lazy(click.Group):
    """A group that imports a subcommand when it is used."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno != errno.ENOSPC or error.filename is not None:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in the buffer goes nowhere
            sys.exit(f"askfirst: what it prints cannot be written: {error.strerror}")

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        if sys.argv[1:2] == ["serve"]:  # a reload must not end it while it starts, with imports
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        command: click.Command = importlib.import_module(f"askfirst.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="askfirst")
def root() -> None:
    """Telemetry for command-line tools that asks first."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a letter that a terminal has not is no failure
            stream.reconfigure(errors="backslashreplace")
