"""The same click program with the one line of askfirst."""

import os

import click

from askfirst import Telemetry
from askfirst.integrations.click import instrument

telemetry = Telemetry.from_contract(
    os.environ["BENCH_CONTRACT"],
    version="1.4.0",
    deliver_every=float(os.environ["BENCH_DELIVER_EVERY"]),
)


@click.group()
def cli() -> None:
    """Do a little."""


@cli.command()
def start() -> None:
    """Start."""
    telemetry.set({"application.name": os.environ["BENCH_MARK"]})


instrument(cli, telemetry)
cli(["start"], prog_name="tool")
