"""What is shown is what is sent: the example CLI against a collector that prints what arrives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.client.running import running
from tests.collector.serving import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 120
EXAMPLE = Path(__file__).parents[1] / "examples" / "stratus"


class User:
    """Somebody with a HOME and an application, who said Yes."""

    def __init__(self, folder: Path, url: str) -> None:
        self.application = folder / "chat"
        self.home = folder / "home"
        self.application.mkdir()
        self.home.mkdir()
        self.env = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(EXAMPLE), os.environ.get("PYTHONPATH", "")]),
            "ASKFIRST_COLLECTOR": url,
        }

    def stratus(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "stratus", *words],
            cwd=self.application,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )
        assert done.returncode == code, done.stderr
        return done

    def settle(self) -> None:
        """Wait until no delivery is under way."""
        wait_until(lambda: not running(f'"dotfile":"{self.home}/.stratus"'), PATIENCE_S)


@pytest.fixture
def arrived(tmp_path: Path) -> Path:
    """The file in which `askfirst inspect` prints what arrives."""
    return tmp_path / "arrived"


@pytest.fixture
def url(tmp_path: Path, arrived: Path) -> Iterator[str]:
    said = tmp_path / "said"
    with arrived.open("wb") as stdout, said.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "askfirst", "inspect", "--port", "0"],
            stdout=stdout,
            stderr=stderr,
        )
    try:
        wait_until(lambda: "listening on" in said.read_text() and said.read_text()[-1] == "\n")
        yield said.read_text().splitlines()[0].rpartition(" ")[2]
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def events(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith('{"id":"')]


def test_what_verbose_show_and_log_print_is_what_arrives(
    tmp_path: Path, arrived: Path, url: str
) -> None:
    user = User(tmp_path, url)
    user.stratus("init", "chat")
    user.stratus("telemetry", "on")
    # the first event is delivered at once, in the background
    first = events(user.stratus("start", "--verbose").stderr)
    user.settle()
    assert arrived.read_text().splitlines() == first
    # the next ones wait for the hour to pass, or for `send`
    later = [
        *events(user.stratus("restart", "--verbose").stderr),
        *events(user.stratus("stop", "--verbose").stderr),
    ]
    assert len(first) == 1
    assert len(later) == 2
    shown = events(user.stratus("telemetry", "show").stdout)
    assert shown[:-1] == later
    assert arrived.read_text().splitlines() == first
    user.stratus("telemetry", "send")
    assert arrived.read_text().splitlines() == [*first, *later]
    logged = [
        line.split(" ", 2)[2] for line in user.stratus("telemetry", "log").stdout.splitlines()
    ]
    assert logged == [*first, *later]


def test_erasing_names_the_installation_as_its_events_did(
    tmp_path: Path, arrived: Path, url: str
) -> None:
    user = User(tmp_path, url)
    user.stratus("telemetry", "on")
    [event] = events(user.stratus("telemetry", "show").stdout)
    user.stratus("telemetry", "erase", code=1)
    installation = event.split('"installationId":"')[1][:64]
    assert arrived.read_text().splitlines() == [
        f'{{"tool":"stratus","installationId":"{installation}"}}'
    ]
    # the inspector is not the one that has to forget
    assert f'"erasing": "{installation}"' in (user.home / ".stratus").read_text()
    assert "off: you asked to be forgotten" in user.stratus("telemetry", "status").stdout
