"""Terminals, encodings, disks and paths that are not as usual: one line says so, or nothing does."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from askfirst.cli import installed
from tests.collector.serving import wait_until
from tests.ending import opened

MAIN = [sys.executable, "-c", "from askfirst.__main__ import main; main()"]


def askfirst(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MAIN, *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def test_a_letter_that_an_encoding_has_not_is_no_failure() -> None:
    done = askfirst("serve", "--help", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: askfirst serve" in done.stdout


@pytest.mark.parametrize("columns", ["0", "18"])
def test_a_terminal_of_any_width(columns: str, tmp_path: Path) -> None:
    words = ("report", "--store", str(tmp_path / "s.duckdb"))
    (tmp_path / "telemetry.toml").write_text(CONTRACT)
    done = askfirst("contract", "check", str(tmp_path / "telemetry.toml"), COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    done = askfirst(*words, COLUMNS=columns)
    assert "Traceback" not in done.stderr
    done = askfirst("doctor", str(tmp_path / "telemetry.toml"), COLUMNS=columns)
    assert "Traceback" not in done.stderr
    assert "contract" in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has a disk without end")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*MAIN, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == ("askfirst: what it prints cannot be written: No space left on device\n")


def test_days_that_no_calendar_has(tmp_path: Path) -> None:
    (tmp_path / "telemetry.toml").write_text(CONTRACT)
    contract = str(tmp_path / "telemetry.toml")
    words = ("simulate", "--contract", contract, "--end", "0001-01-05", "--days", "30")
    done = askfirst(*words, "--installations", "1", "--seed", "1", "--out", str(tmp_path / "x"))
    assert done.returncode == 1
    assert done.stderr == "askfirst: --days and --end lead to days that no calendar here has\n"


def test_a_program_in_an_environment_with_a_space_is_asked_of_its_own_python(
    tmp_path: Path,
) -> None:
    """pip writes such a script, as it does where the path is long."""
    place = tmp_path / "my env"
    place.mkdir()
    (place / "python3").symlink_to(sys.executable)
    script = place / "tin"
    script.write_text(f"#!/bin/sh\n'''exec' \"{place}/python3\" \"$0\" \"$@\"\n' '''\n")
    assert installed._interpreter(str(script)) == str(place / "python3")
    script.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tin\n")
    assert installed._interpreter(str(script)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "numbers",
    [[signal.SIGHUP], [signal.SIGTERM], [signal.SIGTERM, signal.SIGHUP]],
    ids=["closed", "ended", "both"],
)
def test_a_demo_whose_terminal_is_closed_leaves_nothing(numbers: list[int], tmp_path: Path) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    with opened([*MAIN, "demo"], env=env, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        next(line for line in demo.stdout if "It listens on" in line)
        collector = children(demo.pid)[0]  # the first; the users' stratus follows at once
        for number in numbers:
            demo.send_signal(number)
        demo.stdout.read()
    assert demo.returncode - 128 in numbers
    wait_until(lambda: not Path(f"/proc/{collector}").exists())
    assert not list(tmp_path.glob("askfirst-demo-*"))


AMID_A_FORK = """
import os, signal, sys
from pathlib import Path
from askfirst.cli.pseudo_terminal import run_in_terminal

def leave(number, _):
    raise SystemExit(128 + number)

signal.signal(signal.SIGTERM, leave)
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
run_in_terminal([sys.executable, "-c", "import time; time.sleep(50)"], env={}, folder=Path(), keys="")
"""


def test_a_signal_amid_a_fork_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", AMID_A_FORK], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, b"")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


CONTRACT = """
[tool]
name = "tin"
title = "Tin"
organisation = "Ann"
collector = "http://127.0.0.1:1"
details = "https://example.org/tin"
contact = "ann@example.org"
retention_days = 395
commands = ["start"]
"""
