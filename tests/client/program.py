"""A small CLI built on askfirst, with a folder, a home and an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from askfirst.client import dotfile, queue, spawn
from askfirst.contract.event import now_ms
from askfirst.contract.loading import load
from tests.client.running import running
from tests.client.terminal import PATIENCE_S, Terminal
from tests.collector.serving import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from askfirst.contract.model import Contract

PROGRAMS = Path(__file__).parent / "programs"
MEASURED = ("COVERAGE_PROCESS_CONFIG",)
NO_SELECTED = "> No, thank you."


class Program:
    """One of the programs beside this file, copied next to a contract that a test may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "program"
        self.home = folder / "home"
        self.folder.mkdir()
        self.home.mkdir()
        shutil.copytree(PROGRAMS, self.folder, dirs_exist_ok=True)
        self.source = "click_tool.py"
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TOOL_VERSION": "1.0.0",
            # set by `make coverage` only
            **{name: os.environ[name] for name in MEASURED if name in os.environ},
        }
        self.dotfile = self.home / ".tin"
        self._terminals: list[Terminal] = []

    @property
    def state(self) -> Path:
        """The folder of what waits to be sent."""
        return self.home / ".local/state/askfirst/tin"

    @property
    def contract_file(self) -> Path:
        return self.folder / "telemetry.toml"

    def contract(self) -> Contract:
        return load(self.contract_file)

    def declare(self, old: str, new: str) -> None:
        """Change the contract's text."""
        text = self.contract_file.read_text()
        assert old in text
        self.contract_file.write_text(text.replace(old, new))

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, str(self.folder / self.source), *words]

    def run(
        self, *words: str, before: Sequence[str] = (), **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it without a terminal; `before` is a command that takes its command line."""
        return subprocess.run(
            [*before, *self.argv(*words)],
            env={**self.env, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def terminal(
        self,
        *words: str,
        env: dict[str, str] | None = None,
        before: Sequence[str] = (),
        **how: Any,
    ) -> Terminal:
        """Start it in a terminal."""
        terminal = Terminal([*before, *self.argv(*words)], {**self.env, **(env or {})}, **how)
        self._terminals.append(terminal)
        return terminal

    def asks(self, version: str, *words: str) -> bool:
        """Tell whether the question appears at a version; it is not answered."""
        terminal = self.terminal(*(words or ("read",)), env={"TOOL_VERSION": version})
        seen = terminal.expect(NO_SELECTED, "ready")
        terminal.close()
        self._terminals.remove(terminal)
        return seen == NO_SELECTED

    def answer(self, keys: str | bytes, version: str = "1.0.0") -> Terminal:
        """Run `read`, answer its question, type a line for it, and let it end well."""
        terminal = self.terminal("read", env={"TOOL_VERSION": version})
        terminal.expect(NO_SELECTED)
        terminal.send(keys)
        terminal.expect("ready")
        terminal.send("hello\r")
        terminal.expect("read 'hello\\n'")
        assert terminal.finish() == 0
        return terminal

    def agree(self, version: str = "1.0.0") -> None:
        """Record a Yes; no delivery is due, so that nothing is started."""
        dotfile.agree(str(self.dotfile), version, self.contract(), "2026-11-01")
        self.state.mkdir(parents=True)
        spawn.write_schedule(str(self.state), now_ms() + 3_600_000, 0)

    def refuse(self, version: str = "1.0.0") -> None:
        """Record a No."""
        dotfile.refuse(str(self.dotfile), version, "2026-11-01")

    def answers(self) -> dict[str, Any]:
        """What the dotfile says."""
        found: dict[str, Any] = json.loads(self.dotfile.read_text())
        return found

    def files(self) -> list[str]:
        """Every file and folder in the home, by its path there; a sender may be deleting some."""
        rows = os.walk(self.home)
        paths = [os.path.join(place, name) for place, *both in rows for name in both[0] + both[1]]
        return sorted(os.path.relpath(path, self.home) for path in paths)

    def kept(self) -> list[str]:
        """Every file in the home; the folders that all programs share may stay."""
        return [name for name in self.files() if (self.home / name).is_file()]

    def queued(self) -> list[bytes]:
        """The events that wait to be sent."""
        return [event for _, event in queue.waiting(str(self.state))]

    def commands(self) -> list[str]:
        """The commands that wait to be sent."""
        return [json.loads(event)["cli"]["command"] for event in self.queued()]

    def close(self) -> None:
        """End what runs in terminals, and wait for senders: on a closed port they end at once."""
        for terminal in self._terminals:
            terminal.close()
        self.settle()

    def processes(self) -> list[str]:
        """The processes of this home that run."""
        return running(f"\0HOME={self.home}\0")

    def settle(self) -> None:
        """Wait until none of them is left."""
        wait_until(lambda: not self.processes(), PATIENCE_S)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A program that nobody has answered for yet. Afterwards no process of it is left."""
    program = Program(tmp_path)
    yield program
    program.close()
