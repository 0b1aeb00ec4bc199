"""What the README of usagestats puts at the top of a program."""

import os

import usagestats

stats = usagestats.Stats(
    "~/.stratus/usage_stats",
    usagestats.Prompt(enable="stratus --enable-stats", disable="stratus --disable-stats"),
    os.environ["BENCH_URL"],
    unique_user_id=True,
    version="1.4.0",
)
