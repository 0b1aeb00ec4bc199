"""One event's whole way, by means that every system has: no terminal, no signals, no /proc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.client.receiving import PATIENCE_S, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

CONTRACT = Path(__file__).parent / "programs" / "telemetry.toml"
HEAD = f"""
from askfirst import Telemetry
telemetry = Telemetry.from_contract({str(CONTRACT)!r}, version="1.0.0", strict=True)
"""


class User:
    """Somebody with a home, in the places of this system."""

    def __init__(self, home: Path, more: dict[str, str]) -> None:
        self.home = home
        places = {"HOME": home, "USERPROFILE": home, "LOCALAPPDATA": home, "APPDATA": home}
        kept = ("PATH", "PYTHONPATH", "SYSTEMROOT", "TEMP", "TMP")
        self.env = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            **{name: str(path) for name, path in places.items()},
            **more,
        }

    @property
    def dotfile(self) -> Path:
        return self.home / ".tin"

    def run(self, code: str, *, says: str = "") -> str:
        """Run a program without a terminal; it must succeed, and say just `says` on stderr."""
        done = subprocess.run(
            [sys.executable, "-c", HEAD + code],
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert says in done.stderr if says else done.stderr == ""
        return done.stdout


@pytest.fixture
def user(tmp_path: Path, receiver: Receiver) -> User:
    return User(tmp_path, receiver.env)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nothing_is_asked_kept_or_sent_before_a_yes(user: User, receiver: Receiver) -> None:
    said = user.run("telemetry.ask(); telemetry.record('start')")
    assert said == ""
    assert list(user.home.iterdir()) == []
    assert receiver.posts == []


def test_after_a_yes_an_event_is_delivered_in_the_background(
    user: User, receiver: Receiver
) -> None:
    user.run("telemetry.run_command(['on'])")
    assert json.loads(user.dotfile.read_text())["installationId"]
    user.run("telemetry.ask(); telemetry.record('start')")
    receiver.wait()
    [(path, body)] = receiver.posts
    assert (path, body["tool"]) == ("/v1/events", "tin")
    [event] = body["events"]
    assert event["cli"] == {"version": "1.0.0", "command": "start"}
    # the sender keeps its log after the answer, and then ends
    wait_until(lambda: event["id"] in user.run("telemetry.run_command(['log'])"))


def test_what_waits_is_delivered_when_asked_to_and_off_ends_it_all(
    user: User, receiver: Receiver
) -> None:
    user.run("telemetry.run_command(['on'])")
    receiver.status = 503
    user.run("telemetry.record('start')")
    receiver.wait()
    receiver.status = 200
    # the background delivery that was refused may still hold the lock: `send` waits for it
    user.run("raise SystemExit(telemetry.run_command(['send']))", says="answered 200")
    assert len(receiver.ids) == 1
    user.run("telemetry.run_command(['off'])", says="deletes it too")
    assert "installationId" not in json.loads(user.dotfile.read_text())
    posts = len(receiver.posts)
    user.run("telemetry.record('start')")
    assert len(receiver.posts) == posts
    assert [path.name for path in user.home.iterdir() if path.is_file()] == [".tin"]
