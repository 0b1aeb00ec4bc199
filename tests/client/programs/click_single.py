"""A click program that is one command."""

import os
import sys

import click

from askfirst import Telemetry
from askfirst.integrations.click import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])


@click.command()
@click.argument("words", nargs=-1)
@click.option("-v", "--verbose", count=True)
def tin(words: "tuple[str, ...]", verbose: int) -> None:
    """Say the words."""
    click.echo(" ".join(words))
    sys.exit(0)


if __name__ == "__main__":
    if "PLAIN" not in os.environ:
        instrument(tin, telemetry)
    tin(prog_name="tin")
