"""One event of usagestats, as its README has it."""

import os

import usagestats
from usagestats_program import stats

stats.submit(
    {"what": "start", "mark": os.environ["BENCH_MARK"]},
    usagestats.OPERATING_SYSTEM,
    usagestats.PYTHON_VERSION,
    usagestats.SESSION_TIME,
)
