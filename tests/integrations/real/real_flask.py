"""flask, of which the user's own app adds commands while it runs."""

import os

from flask.cli import cli

from askfirst import Telemetry
from askfirst.integrations.click import instrument

if "PLAIN" not in os.environ:
    instrument(cli, Telemetry.from_contract("telemetry.toml", version="1.0.0"))
cli.main(prog_name="flask")
