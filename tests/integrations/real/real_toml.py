"""toml-cli."""

import os

from toml_cli import app

from askfirst import Telemetry
from askfirst.integrations.typer import instrument

if "PLAIN" not in os.environ:
    instrument(app, Telemetry.from_contract("telemetry.toml", version="1.0.0"))
app(prog_name="toml")
