"""A CLI without a framework that records `start`; the environment says what happens meanwhile.

BEFORE, DURING and AFTER hold Python text: run before the client is imported, in the command, and
after it was recorded. PLAIN=1 leaves telemetry out.
"""

import os
import sys

sys.path.insert(0, os.environ["TIN_SOURCE"])
exec(os.environ.get("BEFORE", ""))

from askfirst import Telemetry  # noqa: E402 - found by what is above

telemetry = Telemetry.from_contract(
    "telemetry.toml", version="1.0.0", deliver_every=float(os.environ.get("EVERY", "3600"))
)


def main() -> int:
    if sys.argv[1:2] == ["telemetry"]:
        return telemetry.run_command(sys.argv[2:])
    plain = "PLAIN" in os.environ
    if not plain:
        telemetry.ask()
    if sys.stdout is not None:
        sys.stdout.write("started\n")
        sys.stdout.flush()
    exec(os.environ.get("DURING", ""), globals())
    if not plain:
        telemetry.record("start", {"runtime": "3.1.0", "cold": True, "size": 12})
    exec(os.environ.get("AFTER", ""), globals())
    return 0


if __name__ == "__main__":
    sys.exit(main())
