"""The tool of the zipapp and PyInstaller tests; it notes every start of a process of its own."""

import os
import sys

with open(os.environ["TIN_STARTS"], "a") as file:
    file.write("started\n")

from askfirst import Telemetry

telemetry = Telemetry.from_contract(
    "telemetry.toml", version="1.0.0", deliver_every=float(os.environ.get("EVERY", "3600"))
)


def main() -> int:
    if sys.argv[1:2] == ["telemetry"]:
        return telemetry.run_command(sys.argv[2:])
    telemetry.ask()
    sys.stdout.write("started\n")
    telemetry.record("start", {"runtime": "3.1.0"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
