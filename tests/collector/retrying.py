"""Clients that do not give up, a store read when its collector has ended, a disk that fills up."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from askfirst.contract.event import now_ms
from askfirst.stores.opening import open_store
from tests.collector.hostile.wire import processes
from tests.collector.serving import DEADLINE, Server, make_event

PATIENCE = 240.0  # seconds that a client goes on trying to deliver one batch
PORTS, SIGNS = range(12_000, 22_000), 10_000  # above its port
_signs: list[socket.socket] = []  # of the ports that this process has


class Client(threading.Thread):
    """Delivers batch after batch of new events, each until it is acknowledged."""

    def __init__(
        self, port: int, number: int, *, most: int = 40, installations: int = 1, keep: bool = False
    ) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[str] = []  # ids of events
        self.events: list[dict[str, Any]] = []  # what was acknowledged, if `keep`
        self.batches = 0
        self.lost = 0  # attempts whose answer never came
        self.refusals: Counter[tuple[int, str]] = Counter()  # by status and Retry-After
        self.problem = ""
        self._port = port
        self._most = most
        self._random = random.Random(number)
        self._number = number
        self._installations = installations
        self._keep = keep
        self._over = threading.Event()
        self._connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not (self._over.is_set() or self.problem):
            events = [self._event() for _ in range(self._random.randint(1, self._most))]
            self._deliver(json.dumps({"tool": "stratus", "events": events}).encode(), len(events))
            if not self.problem:
                self.acknowledged += [event["id"] for event in events]
                self.events += events if self._keep else []
                self.batches += 1
        if self._connection is not None:
            self._connection.close()

    def finish(self) -> None:
        """Have it end once its last batch is acknowledged."""
        self._over.set()
        self.join(PATIENCE + DEADLINE)
        assert not self.is_alive()
        assert self.problem == ""

    def _event(self) -> dict[str, Any]:
        # times of a minute, so that a duplicate has neighbours it must not be taken for
        moment = now_ms() - self._random.randrange(60_000)
        if self._installations == 1:
            return make_event(installationId=f"{self._number:064x}", timestamp=moment)
        return self._varied(moment)

    def _varied(self, moment: int) -> dict[str, Any]:
        """Return an event of two months, so that there is something to answer."""
        chance = self._random
        who = self._number * self._installations + chance.randrange(self._installations)
        name = hashlib.sha256(str(who).encode()).hexdigest()
        return make_event(
            installationId=name,
            timestamp=moment - chance.randrange(60) * 86_400_000,
            cli={"version": chance.choice(["3.1.2", "3.2.0"]), "command": "start"},
            application={
                "name": name[::-1] if chance.random() < 0.7 else "92" * 32,
                "env": chance.choice(["95", "96"]) * 32,
            },
        )

    def _deliver(self, body: bytes, size: int) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            try:
                status, later, answer = self._post(body)
            except (OSError, http.client.HTTPException):
                self.lost += 1
                self._hang_up()
                threading.Event().wait(0.01)
                continue
            if status == 200:
                if json.loads(answer) != {"accepted": size, "dropped": []}:
                    self.problem = f"200 {answer!r}"
                return
            self.refusals[status, later] += 1
            if status != 503:
                self.problem = f"{status} {answer!r}"
                return
            threading.Event().wait(0.02)  # as a client with less patience than was asked for
        self.problem = "never acknowledged"

    def _post(self, body: bytes) -> tuple[int, str, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", "/v1/events", body, headers)
        response = self._connection.getresponse()
        return response.status, response.getheader("retry-after", ""), response.read()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


@contextmanager
def clients(port: int, number: int, *, first: int = 0, **settings: Any) -> Iterator[list[Client]]:
    """Run so many clients, numbered from `first`; at the end each finishes what it is at."""
    running = [Client(port, first + each, **settings) for each in range(number)]
    for client in running:
        client.start()
    yield running
    for client in running:
        client.finish()


def batches(running: list[Client]) -> int:
    """Return how many batches were acknowledged."""
    return sum(client.batches for client in running)


def free_port() -> int:
    """Return a port that nobody listens on, nor comes to while this process lives.

    It is below those that a system gives to whoever asks for any, and to clients: one of them could
    be had by another server, or by a client that calls itself, while what is to listen here is not
    there. For other tests a port of UDP, which is kept, is the sign that it is taken.
    """
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        sign = socket.socket(type=socket.SOCK_DGRAM)
        try:
            sign.bind(("127.0.0.1", port + SIGNS))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            sign.close()
            continue
        _signs.append(sign)
        return port
    raise AssertionError("no port is free")


def start_on(begin: Callable[..., Server], port: int, *words: str) -> Server:
    """Start a collector on a port that a killed one may hold for some moments more."""
    end = time.monotonic() + DEADLINE
    while True:
        server = begin(*words, "--port", str(port), wait=False, free=False)
        server.settled()
        if server.process.poll() is None:
            return server
        server.wait()
        assert f"port {port} cannot be used" in server.errors, server.errors
        assert time.monotonic() < end, server.errors


def workers_of(server: Server) -> list[int]:
    """Return the process ids of a collector's workers."""
    return processes(server)[1:]


def stored_ids(path: Path | str) -> list[str]:
    """Return the id of every event in a store, as often as it is there."""
    found: list[str] = []
    with closing(open_store(str(path))) as store:
        for part in store.events("stratus"):  # type: ignore[attr-defined]
            data = bytes(part.id) if not isinstance(part.id, list) else b"".join(part.id)
            found += [str(uuid.UUID(bytes=data[n : n + 16])) for n in range(0, len(data), 16)]
    return found


def check_stored(path: Path | str, running: list[Client]) -> int:
    """Check that exactly what was acknowledged is stored, each event once; return how many."""
    stored = stored_ids(path)
    acknowledged = [id_ for client in running for id_ in client.acknowledged]
    assert len(set(acknowledged)) == len(acknowledged)
    assert len(stored) == len(acknowledged)
    assert set(stored) == set(acknowledged)
    return len(stored)


def log_bytes(folder: Path) -> int:
    """Return how many bytes all logs below a folder take."""
    total = 0
    for path in folder.rglob("*.log*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # loaded a moment ago
            continue
    return total


class Disk:
    """A disk of its own that can be filled and freed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, *, leave: int = 0) -> None:
        """Take what is free, but for so many bytes."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                size = self._filler.stat().st_size
            file.truncate(size - leave)

    def free(self) -> None:
        """Give it back."""
        self._filler.unlink()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Disk]:
    """Mount a file system in memory, which takes root; unmount it whatever happens."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield Disk(folder)
    finally:
        # lazily: a process that is about to end may still have a file open
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def stopped(process: int) -> Iterator[None]:
    """Hold a process up, without ending it."""
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)
