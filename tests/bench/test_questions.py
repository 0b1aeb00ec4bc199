"""The bench that times answers asks two engines in one run, and finds that they say the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from askfirst import questions
from tests.bench.conftest import BENCH

FEW = ("--events", "5000", "--installations", "50", "--days", "60", "--rounds", "1", "--keep")


@pytest.mark.slow  # each answer is asked for in a process of its own
def test_two_stores_stand_side_by_side(tmp_path, clickhouse):
    url = clickhouse.new()
    stores = ("--store", str(tmp_path / "store"), "--store", url)
    try:
        done = subprocess.run(
            [sys.executable, str(BENCH / "questions.py"), *stores, *FEW],
            capture_output=True,
            text=True,
            check=True,
        )
    finally:
        clickhouse.drop(url)
    lines = done.stdout.splitlines()
    assert sum("bytes an event" in line for line in lines) == 2
    assert "| report | embedded, s | CPU, s | ClickHouse, s | CPU, s |" in done.stdout
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    reports = [row for row in rows if row[0][2:] in questions.NAMES]
    assert [row[-1] for row in reports] == ["the same |"] * len(questions.NAMES)
    assert len({len(row) for row in rows if "---" not in row[0]}) == 1
