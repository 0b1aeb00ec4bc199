"""The command of cyclopts itself."""

import os

from cyclopts.cli import app

from askfirst import Telemetry
from askfirst.integrations.cyclopts import instrument

if "PLAIN" not in os.environ:
    instrument(app, Telemetry.from_contract("telemetry.toml", version="1.0.0"))
app()
