"""Real `askfirst serve` and `askfirst inspect` processes, in a home of their own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from askfirst.contract.event import now_ms

RUN = "from askfirst.__main__ import main; main()"
DEADLINE = 60.0  # seconds; what takes one here may take many where others work too
CONTRACT = """
[tool]
name = "stratus"
title = "Stratus CLI"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 395
commands = ["start", "stop", "db migrate"]
[fields.runtime]
treatment = "version"
purpose = "Which runtimes?"
[fields."application.name"]
treatment = "hash"
purpose = "How many applications?"
[fields."application.env"]
treatment = "hash"
purpose = "How many environments?"
[fields.system]
treatment = "choice"
values = ["linux", "macos"]
purpose = "Which systems?"
[fields.interactive]
treatment = "flag"
purpose = "Scripts or people?"
[fields."machine.cores"]
treatment = "bucket"
buckets = [2, 8]
purpose = "How much may run at once?"
"""


def wait_until(
    condition: Callable[[], object], deadline: float = DEADLINE, said: Callable[[], str] = str
) -> None:
    """Poll until a condition holds, or fail, with what was said."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, f"it never came true: {said()}"
        threading.Event().wait(0.01)


def make_event(**changes: Any) -> dict[str, Any]:
    """Return a good event; a change of None takes a key out."""
    event: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "installationId": "9d" * 32,
        "timestamp": now_ms() - 60_000,
        "cli": {"version": "3.1.2", "command": "start"},
        "application": {"name": "92" * 32, "env": "95" * 32},
        "runtime": "2.0.0",
    }
    event.update(changes)
    return {key: value for key, value in event.items() if value is not None}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A real `askfirst serve`, in a process and a home of its own."""

    def __init__(
        self, home: Path, *words: str, context: ssl.SSLContext | None = None, run: str = RUN
    ) -> None:
        self.home = home
        self.lines: list[str] = []
        self.output: list[bytes] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", run, *words],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._context = context
        self._threads = [
            threading.Thread(target=self._read_errors, daemon=True),
            threading.Thread(target=self._read_output, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output.append(line)

    @property
    def errors(self) -> str:
        return "\n".join(self.lines)

    def settled(self) -> None:
        """Wait until it listens or has ended."""
        wait_until(
            lambda: "listening on" in self.errors or self.process.poll() is not None,
            said=lambda: self.errors,
        )

    def ready(self) -> Server:
        self.settled()
        assert self.process.poll() is None, self.errors
        return self

    @property
    def url(self) -> str:
        return next(line for line in self.lines if line.startswith("listening on")).split()[-1]

    @property
    def token(self) -> str:
        return (self.home / "state" / "askfirst" / "token").read_text().strip()

    def connect(self) -> http.client.HTTPConnection:
        where = urlsplit(self.url)
        assert where.hostname
        if self._context:
            return http.client.HTTPSConnection(
                where.hostname, where.port, timeout=DEADLINE, context=self._context
            )
        return http.client.HTTPConnection(where.hostname, where.port, timeout=DEADLINE)

    def call(
        self, method: str, target: str, value: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = self.connect()
        try:
            body = value if isinstance(value, bytes) or value is None else json.dumps(value)
            rows = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, target, body, rows)
            response = connection.getresponse()
            kept = {key.lower(): text for key, text in response.getheaders()}
            return Answer(response.status, kept, response.read())
        finally:
            connection.close()

    def answer(self, report: str) -> Any:
        answer = self.call(
            "GET", f"/v1/answers/{report}", headers={"Authorization": f"Bearer {self.token}"}
        )
        assert answer.status == 200, answer.body
        return answer.json()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(DEADLINE)
        for thread in self._threads:
            thread.join(DEADLINE)
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a process that must see nothing of the real home."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_STATE_HOME": str(home / "state"),
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@contextmanager
def servers(home: Path, *default: str) -> Iterator[Callable[..., Server]]:
    """Give a function that starts `askfirst` with other words than `default`, or with those.

    Whatever still runs at the end is killed.
    """
    started: list[Server] = []

    def begin(*words: str, wait: bool = True, free: bool = True, **settings: Any) -> Server:
        port = ("--port", "0") if free else ()
        server = Server(home, *(words or default), *port, **settings)
        started.append(server)
        return server.ready() if wait else server

    try:
        yield begin
    finally:
        for server in started:
            server.kill()
