"""The published wolkenkit CLI: installed once for this user, and its telemetry module run."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.client.terminal import DOWN, ENTER, Terminal

VERSION = "3.1.2"
NPM_PATIENCE_S = 300  # 440 small packages; 28 s where it was measured
NODE_PATIENCE_S = 120
DRIVER = Path(__file__).parent / "wolkenkit.js"
QUESTION = "Do you agree to share anonymous usage data"
APPLICATION = {
    "wolkenkit": {
        "application": "chat",
        "runtime": {"version": "2.0.0"},
        "environments": {
            name: {
                "api": {
                    "address": {"host": "local.wolkenkit.io", "port": 3000},
                    "certificate": "/server/keys/local.wolkenkit.io",
                    "allowAccessFrom": "*",
                },
                "node": {"environment": "development"},
            }
            for name in ("default", "production")
        },
    }
}


def install() -> Path:
    """Return the folder of the package, with the dependencies that npm finds for it.

    Installed under a temporary name and renamed when complete, so that whoever finds it finds all
    of it. Install scripts stay off: they would compile what the telemetry module never loads.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "askfirst-tests"
    package = cache / f"wolkenkit-{VERSION}" / "node_modules" / "wolkenkit"
    if package.exists():
        return package
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="installing-") as folder:
        part = Path(folder) / "complete"
        part.mkdir()
        (part / "package.json").write_text('{"private": true}')
        _npm(part, "install", "--ignore-scripts", "--no-audit", "--no-fund", f"wolkenkit@{VERSION}")
        try:
            part.rename(cache / f"wolkenkit-{VERSION}")
        except OSError:  # another test run was first
            assert package.exists()
    return package


def _npm(folder: Path, *words: str) -> None:
    try:
        subprocess.run(
            ["npm", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NPM_PATIENCE_S,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm cannot install wolkenkit@{VERSION} here: {error.stderr[-500:]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not install wolkenkit@{VERSION} within {NPM_PATIENCE_S} s")


def send(command: str, env: str = "default") -> tuple[str, dict[str, Any]]:
    """Return the step that the wolkenkit CLI takes when a command has succeeded."""
    return ("send", {"command": command, "args": {"env": env}})


INIT = ("init",)  # the step that it takes before every command


@dataclass
class Outcome:
    """What steps returned, and the requests that were answered with 2xx."""

    returned: list[Any]
    posted: list[dict[str, Any]]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [request["body"] for request in self.posted]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events inside the requests, as the collector is to see them."""
        return [body["data"]["data"] for body in self.bodies]


class Wolkenkit:
    """The telemetry module of the published CLI, in an application's folder and a home."""

    def __init__(self, package: Path, folder: Path, home: Path, ca: Path) -> None:
        self.package = package
        self.folder = folder
        self.dotfile = home / ".wolkenkit"
        self._results = folder / "results.json"
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm",
            "NODE_EXTRA_CA_CERTS": str(ca),
            "NODE_NO_WARNINGS": "1",
        }
        folder.mkdir()
        (folder / "package.json").write_text(json.dumps(APPLICATION))

    def run(self, *steps: tuple[Any, ...]) -> Outcome:
        """Take steps in one process that has no terminal to ask on."""
        ended = subprocess.run(
            self._argv(steps),
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NODE_PATIENCE_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert QUESTION not in ended.stdout
        return self._outcome()

    def asks(self) -> None:
        """Start it, and wait for its question; it is not answered."""
        with self._terminal(INIT) as terminal:
            terminal.expect(QUESTION)

    def answer(self, *, yes: bool) -> None:
        """Start it for the first time, and answer its question. No is the first choice."""
        with self._terminal(INIT) as terminal:
            terminal.expect(QUESTION)
            terminal.expect("Yes, I agree")
            terminal.send(DOWN + ENTER if yes else ENTER)
            assert terminal.finish() == 0

    def data(self) -> dict[str, Any]:
        """What the dotfile says."""
        found: dict[str, Any] = json.loads(self.dotfile.read_text())
        return found

    def write(self, data: Mapping[str, Any]) -> None:
        """Write the dotfile as the CLI does."""
        self.dotfile.write_text(json.dumps(data))

    def _argv(self, steps: tuple[tuple[Any, ...], ...]) -> list[str]:
        self._results.unlink(missing_ok=True)
        return ["node", str(DRIVER), str(self.package), str(self._results), json.dumps(steps)]

    def _terminal(self, *steps: tuple[Any, ...]) -> closing[Terminal]:
        return closing(Terminal(self._argv(steps), self._env))

    def _outcome(self) -> Outcome:
        found = json.loads(self._results.read_text())
        assert found.pop("failed") == []
        return Outcome(**found)
