"""A program without a framework or telemetry: what bare rows and peers are compared with."""

import os

os.environ.get("BENCH_MARK")
