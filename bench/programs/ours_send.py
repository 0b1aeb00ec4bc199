"""Delivers what waits, as `<tool> telemetry send` does."""

import os

from askfirst import Telemetry

raise SystemExit(
    Telemetry.from_contract(os.environ["BENCH_CONTRACT"], version="1.4.0").run_command(["send"])
)
