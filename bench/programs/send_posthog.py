"""One event of posthog, as its documentation has it."""

import os

from posthog import Posthog

posthog = Posthog("phc_key", host=os.environ["BENCH_URL"])
posthog.capture("start", distinct_id="someone", properties={"mark": os.environ["BENCH_MARK"]})
