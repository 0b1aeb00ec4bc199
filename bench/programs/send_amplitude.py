"""One event of amplitude-analytics, as its documentation has it."""

import os

from amplitude import Amplitude, BaseEvent

client = Amplitude("key")
client.configuration.server_url = os.environ["BENCH_URL"]
client.track(
    BaseEvent(
        event_type="start", user_id="someone", event_properties={"mark": os.environ["BENCH_MARK"]}
    )
)
client.shutdown()
