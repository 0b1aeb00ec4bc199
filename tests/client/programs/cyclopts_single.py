"""A cyclopts program that is one command; PLAIN and EARLY as in cyclopts_tool.py."""

import os
import sys

from cyclopts import App

from askfirst import Telemetry
from askfirst.integrations.cyclopts import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])

app = App(name="tin")
if "EARLY" in os.environ:
    instrument(app, telemetry)


@app.default
def say(*words: str, verbose: bool = False) -> None:
    """Say the words."""
    sys.stdout.write(" ".join(words) + "\n")


if __name__ == "__main__":
    if "PLAIN" not in os.environ and "EARLY" not in os.environ:
        instrument(app, telemetry)
    app()
