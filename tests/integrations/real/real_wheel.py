"""wheel, which makes its parser in its main function."""

import os
import sys

from wheel import _commands

from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

sys.argv[0] = "wheel"
parser = _commands.parser()
_commands.parser = lambda: parser
if "PLAIN" not in os.environ:
    instrument(parser, Telemetry.from_contract("telemetry.toml", version="1.0.0"))
sys.exit(_commands.main())
