"""One event of askfirst in a program without a framework."""

import os

from askfirst import Telemetry

telemetry = Telemetry.from_contract(
    os.environ["BENCH_CONTRACT"],
    version="1.4.0",
    deliver_every=float(os.environ["BENCH_DELIVER_EVERY"]),
)
telemetry.ask()
telemetry.record("start", {"application.name": os.environ["BENCH_MARK"]})
