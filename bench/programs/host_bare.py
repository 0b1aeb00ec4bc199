"""A program without a framework and without telemetry: what bare rows and peers are held against."""

import os

os.environ.get("BENCH_MARK")
