"""The real nginx and Caddy with the configurations of ops/, in front of the real collector.

strace tells every file that a proxy opens for writing, so that a test can look into all of them.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.collector.retrying import free_port
from tests.collector.serving import DEADLINE, Server, wait_until

OPS = Path(__file__).parents[2] / "ops"
NAME = "telemetry.example.org"
OPENED = re.compile(r'(?:openat|open|creat)\((?:AT_FDCWD[^,]*, )?"([^"]+)", ([A-Z_|0-9]+)')
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_APPEND")
NO_FILES = ("/dev/", "/proc/")


@dataclass
class Place:
    """Where a proxy is to be reached, and whom it stands before."""

    folder: Path
    upstream: int
    plain: int = field(default_factory=free_port)
    secure: int = field(default_factory=free_port)
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        certificate = self.authority.issue_cert(NAME)
        self.chain, self.key = self.folder / "chain.pem", self.folder / "key.pem"
        for number, part in enumerate(certificate.cert_chain_pems):
            part.write_to_path(self.chain, append=number > 0)
        certificate.private_key_pem.write_to_path(self.key)


def changed(text: str, *changes: tuple[str, str]) -> str:
    """Return a configuration in which each text that is there is another."""
    for old, new in changes:
        assert old in text, f"the configuration has no {old!r}"
        text = text.replace(old, new)
    return text


def nginx_config(place: Place) -> str:
    """Return ops/nginx.conf for a place."""
    return changed(
        (OPS / "nginx.conf").read_text(),
        ("pid /run/nginx.pid", f"daemon off;\npid {place.folder}/nginx.pid"),
        ("/var/log/nginx/error.log", f"{place.folder}/error.log"),
        ("        listen [::]:80 default_server;\n", ""),
        ("        listen [::]:443 ssl default_server;\n", ""),
        ("listen 80 ", f"listen 127.0.0.1:{place.plain} "),
        ("listen 443 ", f"listen 127.0.0.1:{place.secure} "),
        ("server 127.0.0.1:8600", f"server 127.0.0.1:{place.upstream}"),
        (f"/etc/letsencrypt/live/{NAME}/fullchain.pem", str(place.chain)),
        (f"/etc/letsencrypt/live/{NAME}/privkey.pem", str(place.key)),
    )


def caddy_config(place: Place) -> str:
    """Return ops/Caddyfile for a place."""
    local_ports = f"default_bind 127.0.0.1\n\thttp_port {place.plain}\n\thttps_port {place.secure}"
    return changed(
        (OPS / "Caddyfile").read_text(),
        (
            "admin unix//var/lib/caddy/admin.sock",
            f"admin unix/{place.folder}/admin.sock\n\t{local_ports}",
        ),
        ("127.0.0.1:8600", f"127.0.0.1:{place.upstream}"),
        (f"\n{NAME} {{", f"\n{NAME} {{\n\ttls {place.chain} {place.key}"),
    )


CONFIGS = {"nginx": nginx_config, "caddy": caddy_config}
# waiting for what never comes need not take as long as it does
HURRIED = {
    "nginx": [
        ("client_header_timeout 10s", "client_header_timeout 5s"),
        ("client_body_timeout 30s", "client_body_timeout 5s"),
        ("proxy_read_timeout 120s", "proxy_read_timeout 5s"),
    ],
    "caddy": [
        ("read_header 10s", "read_header 5s"),
        ("read_body 30s", "read_body 5s"),
        ("response_header_timeout 120s", "response_header_timeout 5s"),
    ],
}


class Proxy:
    """A running proxy."""

    def __init__(self, kind: str, place: Place, text: str) -> None:
        self.place = place
        self._trace = place.folder / "opened"
        config = place.folder / "config"
        config.write_text(text)
        words = {
            "nginx": ["nginx", "-p", place.folder, "-c", config, "-e", place.folder / "early.log"],
            "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", config],
        }[kind]
        strace = ["strace", "-f", "-qq", "-e", "trace=open,openat,creat", "-e", "signal=none"]
        with (
            (place.folder / "stdout").open("wb") as out,
            (place.folder / "stderr").open("wb") as err,
        ):
            self.process = subprocess.Popen(
                [*strace, "-o", self._trace, "--seccomp-bpf", *words],
                env={
                    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOME": str(place.folder),
                    "XDG_DATA_HOME": str(place.folder / "data"),
                    "XDG_CONFIG_HOME": str(place.folder / "config-home"),
                },
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def ready(self) -> Proxy:
        """Wait until it takes connections."""
        for port in (self.place.plain, self.place.secure):
            wait_until(lambda port=port: self.process.poll() is not None or listens(port))
        assert self.process.poll() is None, self.said()
        return self

    def said(self) -> str:
        """Return what it wrote to its output."""
        return "".join((self.place.folder / name).read_text() for name in ("stdout", "stderr"))

    def pids(self) -> list[int]:
        """Return what strace started: the proxy, before its own children."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(word) for word in children.read_text().split()]

    def stop(self) -> None:
        """End it as its service does, and strace with it."""
        if self.process.poll() is None:
            for pid in self.pids():
                os.kill(pid, signal.SIGTERM)
        self.process.wait(DEADLINE)

    def files(self) -> list[Path]:
        """Return every file that it opened for writing, and what it wrote to its output."""
        found = {self.place.folder / "stdout", self.place.folder / "stderr"}
        for name, how in OPENED.findall(self._trace.read_text()):
            if WRITING.search(how) and not name.startswith(NO_FILES):
                found.add(self.place.folder / name)
        return sorted(path for path in found if path.is_file())

    def connect(self, address: str, *, plain: bool = False) -> http.client.HTTPConnection:
        """Return a connection that comes from an address of this machine."""
        where = ("127.0.0.1", self.place.plain if plain else self.place.secure)
        raw = socket.create_connection(where, DEADLINE, (address, 0))
        connection = http.client.HTTPConnection(NAME, timeout=DEADLINE)
        connection.sock = raw if plain else self.context().wrap_socket(raw, server_hostname=NAME)
        return connection

    def context(self) -> ssl.SSLContext:
        """Return what a client trusts."""
        context = ssl.create_default_context()
        self.place.authority.configure_trust(context)
        return context


def listens(port: int) -> bool:
    """Tell whether somebody takes connections at a port."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def proxy(kind: str, place: Place, *changes: tuple[str, str]) -> Iterator[Proxy]:
    """Run a proxy with its configuration of ops/, in which `changes` are made too."""
    running = Proxy(kind, place, changed(CONFIGS[kind](place), *changes))
    try:
        yield running.ready()
    finally:
        running.stop()


def port_of(server: Server) -> int:
    """Return the port of a collector."""
    return int(server.url.rpartition(":")[2])
