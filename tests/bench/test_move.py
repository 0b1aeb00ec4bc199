"""An embedded store is moved to a server under load, and the program that shows it runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.bench.conftest import BENCH

EVENTS = 100_000


@pytest.mark.slow
def test_a_move_under_load_that_is_killed_in_the_middle_loses_and_doubles_nothing() -> None:
    """It ends with 1, and says why, if any event or any answer is not what it was."""
    done = subprocess.run(
        [sys.executable, str(BENCH / "move.py"), "--events", str(EVENTS), "--clients", "1"]
        + ["--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["sent meanwhile"] > 0
    assert [run["exit"] for run in found["runs"].values()] == [-9, 0, 0]
