"""What the bench says of a process is true: its own CPU, that of what it left behind, the pipe.

In a process of its own, because it becomes the heir of orphans.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.bench.conftest import BENCH

MEASURE = f"""
import json, sys
sys.path.append({str(BENCH)!r})
import processes
processes.adopt()
code, cap = sys.argv[1], float(sys.argv[2])
run = processes.run([sys.executable, "-I", "-S", "-c", code], {{"HOME": "/"}}, cap)
print(json.dumps(run._asdict()))
"""
BURN = "import time\nwhile time.process_time() < 0.2: pass\n"
LEAVE = "import os, sys\nif os.fork(): os._exit(3)\n"
# A child that burns ten times as long as may pass until the end of the program is noticed.
LEAVE_LONG = "import os, sys\nparent = os.getpid()\nif os.fork(): os._exit(3)\n"
BURN_LONG = """import time
while os.getppid() == parent: pass
begin = time.process_time()
while time.process_time() < begin + 1: pass
"""


def measured(code: str, cap: float = 60) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, code, str(cap)],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_programs_own_work_is_its_own() -> None:
    found = measured(BURN + "print('said')")
    assert found["cpu"] >= 200
    assert found["others"] == 0
    assert (found["code"], found["said"]) == (0, "said\n")


def test_the_work_of_what_was_left_behind_is_told_apart() -> None:
    found = measured(LEAVE + "os.setsid()\n" + BURN)
    assert found["cpu"] < 200 <= found["others"]
    assert found["code"] == 3


def test_a_grandchild_that_left_its_session_is_seen_too() -> None:
    found = measured(LEAVE + "os.setsid()\nif os.fork(): os._exit(0)\n" + BURN)
    assert found["cpu"] < 200 <= found["others"]


def test_a_pipe_that_is_held_is_seen() -> None:
    """The child burns 1 s of CPU when the program has ended, so that long the pipe is held."""
    held = measured(LEAVE_LONG + BURN_LONG)
    assert held["held"] - held["wall"] >= 100
    let = "os.dup2(os.open('/dev/null', 1), 1); os.dup2(1, 2)\n"
    let_go = measured(LEAVE_LONG + let + BURN_LONG)
    assert let_go["others"] >= 1000
    assert let_go["held"] - let_go["wall"] < held["held"] - held["wall"]


@pytest.mark.parametrize(("begin", "code", "cap"), [("", None, 1), (LEAVE, 3, 5)])
def test_what_does_not_end_is_killed_at_the_cap(begin: str, code: int | None, cap: int) -> None:
    found = measured(begin + "import threading\nthreading.Event().wait()", cap=cap)
    assert found["code"] == code
    assert found["held"] == cap * 1000
