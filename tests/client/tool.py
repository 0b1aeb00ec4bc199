"""A program without a framework, for what a host can do to the client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import askfirst
from askfirst import Telemetry
from askfirst.client import spawn
from askfirst.contract.event import now_ms
from tests.client.program import Program
from tests.client.running import running
from tests.client.terminal import PATIENCE_S
from tests.collector.serving import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.client.receiving import Receiver

SOURCE = str(Path(askfirst.__file__).parents[1])
Done = subprocess.CompletedProcess[str]


class Tool(Program):
    """`programs/plain_tool.py`, its user, and the senders it started."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.source = "plain_tool.py"
        self.flags: list[str] = []
        self.env.update(TIN_SOURCE=SOURCE, TIN_MARK=str(folder))
        self._mark = f"\0TIN_MARK={folder}\0"

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, *self.flags, str(self.folder / self.source), *words]

    def run(
        self,
        *words: str,
        before: Sequence[str] = (),
        cwd: Path | None = None,
        stdout: Any = subprocess.PIPE,
        **env: str | None,
    ) -> Done:
        """Run it without a terminal; a variable that is None is not set."""
        return subprocess.run(
            [*before, *self.argv(*words)],
            env={k: v for k, v in {**self.env, **env}.items() if v is not None},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def start(self, **how: Any) -> None:
        """Run its command; whatever is the matter, its user sees what they would see without us."""
        done = self.run(**how)
        assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")

    def due(self) -> None:
        """Let the next run start a delivery."""
        (self.state / spawn.SCHEDULE).unlink(missing_ok=True)

    def not_due(self) -> None:
        """Let no run start one."""
        spawn.write_schedule(str(self.state), now_ms() + 3_600_000, 0)

    def work(self) -> str:
        """What a sender of this tool gets to know."""
        telemetry = Telemetry.from_contract(self.contract_file, "1.0.0")
        telemetry.env = self.env
        places = telemetry.places()
        assert places is not None
        return json.dumps(spawn.job(telemetry, places))

    def ids(self) -> Counter[str]:
        """The ids of the events that wait, and how often each is there."""
        return Counter(json.loads(event)["id"] for event in self.queued())

    def queued(self) -> list[bytes]:
        """The events that wait, when nobody is delivering any."""
        self.settle()
        return super().queued()

    def processes(self) -> list[str]:
        """The processes of this tool that run, whatever their home."""
        return running(self._mark)

    def sender(self) -> str:
        """The one that is delivering, once the process that forked it has ended."""
        wait_until(lambda: len(self.processes()) == 1, PATIENCE_S)
        [sender] = self.processes()
        return sender

    def delivers(self, receiver: Receiver) -> None:
        """Deliver what waits, now."""
        done = self.run("telemetry", "send", **receiver.env)
        assert done.returncode == 0, done.stderr
