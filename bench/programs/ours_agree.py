"""Says Yes, as `<tool> telemetry on` does."""

import os

from askfirst import Telemetry

Telemetry.from_contract(os.environ["BENCH_CONTRACT"], version="1.4.0").run_command(["on"])
