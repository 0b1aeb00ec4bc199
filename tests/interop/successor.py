"""A CLI that takes the place of the wolkenkit CLI: the same name, built on askfirst."""

import os
import sys

from askfirst import Telemetry

FIELDS = {"application.name": "chat", "application.env": "default", "runtime": "2.0.0"}

telemetry = Telemetry.from_contract("telemetry.toml", os.environ["TOOL_VERSION"], strict=True)
if sys.argv[1] == "telemetry":
    sys.exit(telemetry.run_command(sys.argv[2:]))
telemetry.ask()
telemetry.record(sys.argv[1], FIELDS)
