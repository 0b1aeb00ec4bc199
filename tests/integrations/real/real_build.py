"""build, which has no sub-commands."""

import os

from build import __main__ as program

from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

parser = program.main_parser()
program.main_parser = lambda: parser
if "PLAIN" not in os.environ:
    instrument(parser, Telemetry.from_contract("telemetry.toml", version="1.0.0"))
program.entrypoint()
