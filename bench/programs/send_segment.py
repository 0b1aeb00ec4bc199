"""One event of segment-analytics-python, as its documentation has it."""

import os

from segment import analytics

analytics.write_key = "key"
analytics.host = os.environ["BENCH_URL"]
analytics.track("someone", "start", {"mark": os.environ["BENCH_MARK"]})
