"""One event of scarf-sdk, as its README has it."""

import os

from scarf import ScarfEventLogger

logger = ScarfEventLogger(endpoint_url=os.environ["BENCH_URL"])
logger.log_event({"event": "start", "package": "stratus", "mark": os.environ["BENCH_MARK"]})
