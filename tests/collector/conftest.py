"""Shared by the collector's tests: a contract, a store in memory, an application without sockets."""

from __future__ import annotations

import asyncio
import json
import threading
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
from tests.collector.serving import (
    CONTRACT,
    DEADLINE,
    Answer,
    Server,
    make_event,
    servers,
    wait_until,
)

TOKEN = "the-token"


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
        self.scrubs = 0
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
                    part.ids(),
                    part.installations(),
                    part.version,
                    part.command,
                    part.rows_of_fields(),
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
        return []  # of "quality": nothing has arrived

    def erase(self, tool: str, installation: bytes, _until: int = 0) -> int:
        with self._lock:
            self._refuse()
            gone = [k for k, row in self.rows.items() if k[0] == tool and row[2] == installation]
            for key in gone:
                del self.rows[key]
            return len(gone)

    def retain(self, tool: str, before: int) -> int:
        self.retained.append((tool, before))
        return 0

    def scrub(self, _stopped: Callable[[], bool]) -> bool:
        self.scrubs += 1
        return True

    def size(self) -> int:
        return 0

    def tools(self) -> Sequence[str]:
        return sorted(self.declared)

    def close(self) -> None:
        pass

    def _refuse(self) -> None:
        if self.trouble:
            raise StoreError(self.trouble)


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
        loader = self.collector.loader
        assert asyncio.run(loader.reach(loader.accepted(), DEADLINE))


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
        clock, say = settings.pop("now", now_ms), settings.pop("say", api.said.append)
        config = Config(contracts=contracts, log_folder=tmp_path / "log", token=TOKEN, **settings)
        api.app = build_app(config, api.store, now=clock, say=say)
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


@pytest.fixture
def contract_file(tmp_path: Path) -> Path:
    path = tmp_path / "telemetry.toml"
    path.write_text(CONTRACT)
    return path


@pytest.fixture
def start(tmp_path: Path, contract_file: Path) -> Iterator[Callable[..., Server]]:
    """Return a function that starts `askfirst serve`; whatever still runs at the end is killed."""
    with servers(tmp_path / "home", "serve", "--contract", str(contract_file)) as begin:
        yield begin
