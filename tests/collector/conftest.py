"""Shared by the collector's tests: a contract, a store in memory, an application without sockets,
and real `askfirst serve` processes.
"""

from __future__ import annotations

import asyncio
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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from askfirst.collector.app import build_app
from askfirst.collector.config import Config
from askfirst.contract.event import now_ms
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract
from askfirst.stores.base import Counts, Events, Loaded, Position, StoreError

TOKEN = "the-token"
RUN = "from askfirst.cli.main import main; main()"
DEADLINE = 30.0
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


def wait_until(condition: Callable[[], object], deadline: float = DEADLINE) -> None:
    """Poll until a condition holds, or fail."""
    end = time.monotonic() + deadline
    while not condition():
        assert time.monotonic() < end, "it never came true"
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


class MemoryStore:
    """A Store in memory; refuses while `trouble` holds a text."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int, bytes], tuple[Any, ...]] = {}
        self.counts: Counter[tuple[str, int, str]] = Counter()
        self.positions: dict[str, Position] = {}
        self.declared: dict[str, Contract] = {}
        self.retained: list[tuple[str, int]] = []
        self.loads: list[int] = []
        self.trouble = ""
        self.commits_and_fails = 0
        self._lock = threading.Lock()

    def load(
        self, events: Iterable[Events], counts: Counts, position: Position | None = None
    ) -> Loaded:
        with self._lock:
            self._refuse()
            stored = duplicate = 0
            for part in events:
                for row in zip(
                    part.timestamp,
                    part.id,
                    part.installation,
                    part.version,
                    part.command,
                    part.fields,
                    part.received,
                    strict=True,
                ):
                    key = (part.tool, row[0], row[1])
                    if key in self.rows:
                        duplicate += 1
                    else:
                        stored += 1
                        self.rows[key] = row
            self.counts.update(counts)
            if position is not None:
                self.positions[position.log] = position
            self.loads.append(stored + duplicate)
            if self.commits_and_fails:
                self.commits_and_fails -= 1
                raise StoreError("the answer got lost")
            return Loaded(stored, duplicate)

    def position(self, log: str) -> Position | None:
        self._refuse()
        return self.positions.get(log)

    def declare(self, contract: Contract) -> None:
        self.declared[contract.name] = contract

    def contracts(self) -> list[Contract]:
        return list(self.declared.values())

    def query(self, name: str, parameters: Mapping[str, object]) -> list[tuple[object, ...]]:
        raise NotImplementedError

    def erase(self, tool: str, installation: bytes) -> int:
        with self._lock:
            self._refuse()
            gone = [k for k, row in self.rows.items() if k[0] == tool and row[2] == installation]
            for key in gone:
                del self.rows[key]
            return len(gone)

    def retain(self, tool: str, before: int) -> int:
        self.retained.append((tool, before))
        return 0

    def tools(self) -> Sequence[str]:
        return sorted(self.declared)

    def close(self) -> None:
        pass

    def _refuse(self) -> None:
        if self.trouble:
            raise StoreError(self.trouble)


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Api:
    """An application called without a socket, each request in an event loop of its own."""

    app: Any
    store: MemoryStore
    said: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    @property
    def collector(self) -> Any:
        return self.app.state.collector

    def call(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] | None = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; a body of None never comes, one of [] ends in a client that hung up."""
        url = urlsplit(target)
        parts = [body] if isinstance(body, bytes) else list(body or [])
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
            "path": url.path, "raw_path": url.path.encode(), "query_string": url.query.encode(),
            "root_path": "", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 9),
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        }  # fmt: skip
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if body is None:
                await asyncio.Event().wait()
            if not parts:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        try:
            asyncio.run(self.app(scope, receive, send))
        except Exception as error:
            if not sent:
                raise
            self.failures.append(error)
        if not sent:
            return Answer(0, {}, b"")
        rows = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Answer(sent[0]["status"], rows, b"".join(m.get("body", b"") for m in sent[1:]))

    def post(self, target: str, value: Any, **headers: str) -> Answer:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.call("POST", target, body, {"content-type": "application/json", **headers})

    def get(self, target: str, **headers: str) -> Answer:
        return self.call("GET", target, b"", headers)

    def loaded(self) -> None:
        assert self.collector.loader.wait_until_loaded(self.collector.log.durable(), DEADLINE)


@pytest.fixture(name="contract")
def _contract() -> Contract:
    return parse(CONTRACT)


@pytest.fixture
def contract_text() -> str:
    return CONTRACT


@pytest.fixture
def event() -> Callable[..., dict[str, Any]]:
    return make_event


@pytest.fixture
def until() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def memory_store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def make_api(tmp_path: Path) -> Iterator[Callable[..., Api]]:
    """Return a function that builds an application; all are stopped at the end."""
    made: list[Api] = []

    def make(*contracts: Contract, store: MemoryStore | None = None, **settings: Any) -> Api:
        api = Api(None, store or MemoryStore())
        clock = settings.pop("now", now_ms)
        config = Config(contracts=contracts, log_folder=tmp_path / "log", token=TOKEN, **settings)
        api.app = build_app(config, api.store, now=clock, say=api.said.append)
        api.collector.start()
        made.append(api)
        return api

    yield make
    for api in made:
        api.collector.stop()
        assert api.failures == []


@pytest.fixture
def api(make_api: Callable[..., Api], contract: Contract) -> Api:
    return make_api(contract)


class Server:
    """A real `askfirst serve`, in a process and a home of its own."""

    def __init__(
        self, home: Path, *words: str, context: ssl.SSLContext | None = None, command: str = "serve"
    ) -> None:
        self.home = home
        self.lines: list[str] = []
        self.output: list[bytes] = []
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUN, command, "--port", "0", *words],
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

    def ready(self) -> Server:
        wait_until(lambda: "listening on" in self.errors or self.process.poll() is not None)
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


@pytest.fixture
def server_class() -> type[Server]:
    return Server


@pytest.fixture
def contract_file(tmp_path: Path) -> Path:
    path = tmp_path / "telemetry.toml"
    path.write_text(CONTRACT)
    return path


@pytest.fixture
def start(tmp_path: Path, contract_file: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts `askfirst serve`; whatever still runs at the end is killed."""
    started: list[Server] = []

    def begin(*words: str, wait: bool = True, **settings: Any) -> Server:
        words = words or ("--contract", str(contract_file))
        server = Server(tmp_path / "home", *words, **settings)
        started.append(server)
        return server.ready() if wait else server

    yield begin
    for server in started:
        server.kill()
