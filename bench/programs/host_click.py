"""A click program of one command, without telemetry: what the click rows are compared with."""

import click


@click.group()
def cli() -> None:
    """Do a little."""


@cli.command()
def start() -> None:
    """Start."""


cli(["start"], prog_name="tool")
