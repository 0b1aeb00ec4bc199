"""A collector where the published CLI looks for one, that CLI, and its successor."""

from __future__ import annotations

import datetime as dt
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.client.terminal import Terminal
from tests.collector.serving import RUN, Server, environment, servers
from tests.interop import hosts, published

HERE = Path(__file__).parent
CONTRACT = HERE / "telemetry.toml"
PATIENCE_S = 120


class Collector:
    """A running `askfirst serve`, and `askfirst report` on its store."""

    def __init__(self, server: Server, store: Path, ca: Path | None = None) -> None:
        self.server = server
        self._store = store
        self._env = environment(server.home)
        if ca is not None:
            self._env["SSL_CERT_FILE"] = str(ca)

    def post(self, body: object) -> None:
        """Send what the wolkenkit CLI sends."""
        headers = {"Content-Type": "application/json;charset=utf-8"}
        answer = self.server.call("POST", "/v1/command", body, headers)
        assert (answer.status, answer.json()) == (200, {"accepted": 1, "dropped": []})

    def report(self, name: str) -> Any:
        """Ask for a report as of today."""
        today = dt.datetime.now(dt.timezone.utc).date().isoformat()
        words = ["report", name, "--json", "--as-of", today, "--store", str(self._store)]
        ended = subprocess.run(
            [sys.executable, "-c", RUN, *words],
            env=self._env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)


class Successor:
    """A later CLI of the same name and with the same dotfile, built on askfirst."""

    def __init__(self, home: Path, ca: Path) -> None:
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TERM": "xterm",
            "PYTHONPATH": str(HERE.parents[1] / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SSL_CERT_FILE": str(ca),
        }

    def run(self, version: str, command: str) -> None:
        """Run a command in a terminal, which must ask nothing."""
        terminal = Terminal(self._argv(command), {**self._env, "TOOL_VERSION": version})
        try:
            assert terminal.finish() == 0
            assert terminal.text == ""
        finally:
            terminal.close()

    def telemetry(self, version: str, word: str, code: int = 0) -> str:
        """Run `wolkenkit telemetry <word>`; return stdout."""
        ended = subprocess.run(
            self._argv("telemetry", word),
            env={**self._env, "TOOL_VERSION": version},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        return ended.stdout

    def _argv(self, *words: str) -> list[str]:
        return [sys.executable, str(HERE / "successor.py"), *words]


@pytest.fixture(scope="session")
def package() -> Path:
    """The folder of the published package."""
    return published.install()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(tmp_path: Path, authority: trustme.CA) -> Path:
    """The certificate that a client has to trust."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of a user of both CLIs."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def wolkenkit(package: Path, tmp_path: Path, home: Path, ca: Path) -> published.Wolkenkit:
    return published.Wolkenkit(package, tmp_path / "chat", home, ca)


@pytest.fixture
def successor(home: Path, ca: Path) -> Successor:
    return Successor(home, ca)


@pytest.fixture
def collector(
    package: Path, tmp_path: Path, authority: trustme.CA, ca: Path
) -> Iterator[Collector]:
    """A collector with TLS where the published CLI sends to.

    `package` comes first: nobody has to wait for the hosts file while npm installs.
    """
    names = (hosts.NAME, hosts.ADDRESS)  # `report` asks for the address
    authority.issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(
        str(tmp_path / "certificate.pem")
    )
    context = ssl.create_default_context(cafile=str(ca))
    with ExitStack() as stack:
        stack.enter_context(hosts.here())
        begin = stack.enter_context(servers(tmp_path / "operator"))
        store = tmp_path / "operator" / "events.duckdb"
        certificate = str(tmp_path / "certificate.pem")
        server = begin(
            *("serve", "--contract", str(CONTRACT), "--store", str(store)),
            *("--host", hosts.ADDRESS, "--port", str(hosts.PORT)),
            *("--tls-cert", certificate, "--tls-key", certificate),
            free=False,
            context=context,
        )
        yield Collector(server, store, ca)
        assert server.stop() == 0


@pytest.fixture
def plain_collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector without TLS, on any port."""
    store = tmp_path / "operator" / "events.duckdb"
    words = ("serve", "--contract", str(CONTRACT), "--store", str(store))
    with servers(tmp_path / "operator", *words) as begin:
        server = begin()
        yield Collector(server, store)
        assert server.stop() == 0
