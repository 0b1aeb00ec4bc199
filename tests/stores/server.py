"""A ClickHouse server to test on: a real one, of a package that npm has, or any other that runs.

`ASKFIRST_CLICKHOUSE=http://user:password@host:8123` names another. The one of the package has the
engine and its network protocols; it has no Keeper, and so no replicas and no `ON CLUSTER`, and it
knows one user without a password.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import secrets
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from askfirst.stores.clickhouse.connecting import Address
from askfirst.stores.clickhouse.migrating import init

PACKAGE = "@chdb/lib-linux-x64-gnu"
VERSION = "26.7.3-stable.1"
NPM_PATIENCE_S = 600  # 178 MB
START_PATIENCE_S = 180  # on a machine that does much else; 2 s are usual
PORTS = range(
    22_000, 32_768
)  # below what the system gives, above what collectors get (retrying.py)
ATTEMPTS = 5  # to find ports that nobody takes meanwhile
ELSEWHERE = "ASKFIRST_CLICKHOUSE"
HERE = Path(__file__).parent

# Listens, and then does nothing: a query that never ends keeps the process. Whoever gets an answer
# over HTTP can rely on both.
SERVE = (
    "SYSTEM START LISTEN TCP; SYSTEM START LISTEN HTTP; "
    "SELECT sleepEachRow(3) FROM system.numbers FORMAT Null "
    "SETTINGS max_block_size = 1, max_execution_time = 0"
)


class Place:
    """A server that answers; databases on it."""

    def __init__(self, url: str) -> None:
        self.http = url

    def new(self) -> str:
        """Return the URL of a store in a database that is not there yet."""
        return self.store(f"askfirst_{secrets.token_hex(8)}")

    def store(self, database: str) -> str:
        parts = urlsplit(self.http)
        scheme = {"http": "clickhouse", "https": "clickhouses"}[parts.scheme]
        return f"{scheme}://{parts.netloc}/{database}"

    def drop(self, url: str) -> None:
        """Drop the database of a store."""
        self.ask(f"DROP DATABASE IF EXISTS {urlsplit(url).path[1:]} SYNC")

    def ask(self, query: str) -> str:
        """Run a query; return what it says, as text."""
        parts = urlsplit(self.http)
        host = parts.netloc.rpartition("@")[2]
        headers = {
            "X-ClickHouse-User": parts.username or "default",
            "X-ClickHouse-Key": parts.password or "",
        }
        request = urllib.request.Request(
            f"{parts.scheme}://{host}/", query.encode(), headers, method="POST"
        )
        with urllib.request.urlopen(request, timeout=START_PATIENCE_S) as answer:
            return answer.read().decode().strip()


class Server(Place):
    """A server that was started here, with its data in a folder."""

    def __init__(self, folder: Path, config: str = "", *, port: int = 0) -> None:
        self.folder = folder
        self.port, self.native_port = port or free_port(), free_port()
        super().__init__(f"http://127.0.0.1:{self.port}")
        self.config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, on the same ports and data as before if it ran before; wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [
            "clickhouse",
            f"--path={self.folder / 'data'}",
            "--listen_host=127.0.0.1",
            f"--http_port={self.port}",
            f"--tcp_port={self.native_port}",
            f"--query={SERVE}",
        ]
        if self.config:
            file = self.folder / "config.xml"
            file.write_text(f"<clickhouse>{self.config}</clickhouse>")
            words.insert(1, f"--config-file={file}")
        with (self.folder / "said.txt").open("ab") as said:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "engine.py"), str(library()), *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                cwd=self.folder,
            )
        deadline = time.monotonic() + START_PATIENCE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                text = (self.folder / "said.txt").read_text(errors="replace")
                raise RuntimeError(f"no ClickHouse server came up: {text[-500:]}")

    def processor_seconds(self) -> float:
        """Return what its process took so far."""
        assert self._process is not None
        said = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End it as a power cut would, but for what the kernel still writes."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def revive(self) -> bool:
        """Start it again if it has ended by itself, as a service manager would; say whether it had.

        The engine of the package was seen to abort in two runs in which another host was killed; why
        is not known, and no data was lost.
        """
        if self._process is None or self._process.poll() is None:
            return False
        self.kill()
        self.start()
        return True

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(0.05)  # this is also the pause between two looks
            try:
                probe.connect(("127.0.0.1", self.port))
            except OSError:
                time.sleep(0.02)
                return False
        try:
            folder = self.ask("SELECT path FROM system.disks WHERE name = 'default'")
        except (OSError, http.client.HTTPException):
            return False
        return folder == f"{self.folder / 'data'}/"  # else another's server has our port


@contextmanager
def started(folder: Path, config: str = "") -> Iterator[Server]:
    """Give a server that has been started, and end it."""
    for attempt in range(ATTEMPTS):
        server = Server(folder / str(attempt), config)
        try:
            server.start()
        except RuntimeError:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        break
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def running(folder: Path) -> Iterator[Place]:
    """Give the server that the environment names, else one that is started."""
    elsewhere = os.environ.get(ELSEWHERE)
    if elsewhere:
        yield Place(elsewhere)
        return
    with started(folder) as server:
        yield server


class Cluster:
    """Two servers, each of which knows both as the shards of one cluster."""

    name = "pair"

    def __init__(self, servers: tuple[Server, Server]) -> None:
        self.servers = servers

    @property
    def hosts(self) -> list[str]:
        return [f"127.0.0.1:{server.port}" for server in self.servers]

    def new(self) -> str:
        """Make a store on both; return its URL at the first."""
        url = self.servers[0].new()
        init(Address.of(url), self.name, self.hosts, replicas=False)
        return url

    def drop(self, url: str) -> None:
        for server in self.servers:
            server.drop(url)


@contextmanager
def paired(folder: Path) -> Iterator[Cluster]:
    """Give a cluster of two servers that have been started, and end them."""
    for attempt in range(ATTEMPTS):
        servers = Server(folder / f"{attempt}a"), Server(folder / f"{attempt}b")
        shards = "".join(
            f"<shard><internal_replication>true</internal_replication><replica>"
            f"<host>127.0.0.1</host><port>{server.native_port}</port></replica></shard>"
            for server in servers
        )
        config = f"<remote_servers><{Cluster.name}>{shards}</{Cluster.name}></remote_servers>"
        try:
            for server in servers:
                server.config = config
                server.start()
        except RuntimeError:
            for server in servers:
                server.kill()
            if attempt == ATTEMPTS - 1:
                raise
            continue
        break
    try:
        yield Cluster(servers)
    finally:
        for server in servers:
            server.kill()


def free_port() -> int:
    """Return a port that nobody listens on, and that no connection gets meanwhile as its own."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def library() -> Path:
    """Return the engine, fetched once for this user.

    One test process fetches it and the others wait; it is renamed when complete, so that whoever
    finds it finds all of it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "askfirst-tests"
    found = cache / f"libchdb-{VERSION}.so"
    if found.exists():
        return found
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "libchdb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="installing-") as folder:
                _fetch(Path(folder)).rename(found)
    return found


def _fetch(folder: Path) -> Path:
    try:
        packed = subprocess.run(
            ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=NPM_PATIENCE_S,
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("needs npm, which has the ClickHouse engine")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"npm cannot fetch {PACKAGE}@{VERSION} here: {error.stderr[-500:]}")
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm did not fetch {PACKAGE}@{VERSION} within {NPM_PATIENCE_S} s")
    with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
        member = archive.getmember("package/libchdb.so")
        member.name = "libchdb.so"
        archive.extract(member, folder)
    return folder / "libchdb.so"
