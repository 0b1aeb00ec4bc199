from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from askfirst.cli.pseudo_terminal import screen


@pytest.mark.slow
def test_the_demo_ends_with_answers_equal_to_the_truth(tmp_path: Path) -> None:
    """With an empty HOME, which it leaves empty; and without a process left behind."""
    done = subprocess.run(
        [sys.executable, "-m", "askfirst", "demo", "--exit"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    equal = "active, updates, applications, environments, commands, retention"
    assert f"In every figure equal to the truth: {equal}.\n" in done.stdout
    assert "> No, thank you.\n  Yes, I agree" in done.stdout
    assert "  No, thank you.\n> Yes, I agree" in done.stdout
    assert "telemetry: queued for http://127.0.0.1" in done.stdout
    assert "http://127.0.0.1" in done.stdout.split("5. Look around")[1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\r\n", "a\nb"),
        ("> x\n  y\n\x1b[2A\r\x1b[J  x\n> y\n", "  x\n> y"),
        ("q\n> x\n  y\n\x1b[2A\r\x1b[J  x\n> y\n\x1b[2A\r\x1b[J> x\n  y\n", "q\n> x\n  y"),
        ("\x1b[1mbold\x1b[0m", "bold"),
    ],
)
def test_a_screen_shows_what_a_terminal_would(text: str, shown: str) -> None:
    assert screen(text) == shown
