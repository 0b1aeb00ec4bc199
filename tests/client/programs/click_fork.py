"""A click program whose command forks; parent and child both come back from it."""

import os

import click

from askfirst import Telemetry
from askfirst.integrations.click import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version="1.0.0")


@click.group()
def cli() -> None:
    """Keep tins."""


@cli.command()
def start() -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    click.echo("parent" if child else "child")


if __name__ == "__main__":
    instrument(cli, telemetry)
    cli(prog_name="tin")
