"""A typer program that is one command; PLAIN and EARLY as in typer_tool.py."""

import os
from typing import Annotated

import typer

from askfirst import Telemetry
from askfirst.integrations.typer import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])

app = typer.Typer()
if "EARLY" in os.environ:
    instrument(app, telemetry)


@app.command()
def tin(
    words: Annotated[list[str] | None, typer.Argument()] = None,
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True)] = 0,
) -> None:
    """Say the words."""
    typer.echo(" ".join(words or []))


if __name__ == "__main__":
    if "PLAIN" not in os.environ and "EARLY" not in os.environ:
        instrument(app, telemetry)
    app(prog_name="tin")
