"""An argparse program that is one command and hands on what it does not know."""

import argparse
import os
import sys

from askfirst import Telemetry
from askfirst.integrations.argparse import instrument

telemetry = Telemetry.from_contract("telemetry.toml", version=os.environ["TOOL_VERSION"])

parser = argparse.ArgumentParser("tin")
parser.add_argument("word", nargs="?", default="")
parser.add_argument("--loud", action="store_true")

if __name__ == "__main__":
    if "PLAIN" not in os.environ:
        instrument(parser, telemetry)
    rest: "list[str]" = []
    if "KNOWN" in os.environ:
        given, rest = parser.parse_known_args()
    else:
        given = parser.parse_args()
    sys.stdout.write(f"{given.word} {rest} {sorted(vars(given))}\n")
