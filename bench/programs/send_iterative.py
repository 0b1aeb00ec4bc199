"""One event of iterative-telemetry, as dvc sends it; its README shows no usage."""

import os

from iterative_telemetry import IterativeTelemetryLogger

logger = IterativeTelemetryLogger("stratus", "1.4.0", url=os.environ["BENCH_URL"], token="token")
logger.send_cli_call("start", mark=os.environ["BENCH_MARK"])
