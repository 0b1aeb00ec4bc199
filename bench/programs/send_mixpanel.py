"""One event of mixpanel, as its documentation has it."""

import os

from mixpanel import Consumer, Mixpanel

mixpanel = Mixpanel("token", consumer=Consumer(events_url=os.environ["BENCH_URL"] + "/track"))
mixpanel.track("someone", "start", {"mark": os.environ["BENCH_MARK"]})
