"""sqlite-utils, of which a command is run by default."""

import os

from sqlite_utils.cli import cli

from askfirst import Telemetry
from askfirst.integrations.click import instrument

if "PLAIN" not in os.environ:
    instrument(cli, Telemetry.from_contract("telemetry.toml", version="1.0.0"))
cli(prog_name="sqlite-utils")
