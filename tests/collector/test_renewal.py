"""Contracts and certificates are replaced while requests flow; what cannot be used changes nothing.

All of it against real collectors, with and without workers.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from askfirst.collector.watch import Watched
from askfirst.contract.loading import parse
from tests.collector.retrying import Client, batches, clients, small_disk, workers_of
from tests.collector.serving import CONTRACT, DEADLINE, RUN, Server, make_event, servers, wait_until

WIDER = CONTRACT.replace('"db migrate"]', '"db migrate", "restart"]')
NARROWER = CONTRACT.replace(
    CONTRACT[CONTRACT.index("[fields.runtime]") : CONTRACT.index('[fields."application.name"]')], ""
)
IN_FORCE = "the changed contract is in force"
RENEWED = "the renewed certificate is in use"

Start = Callable[..., Server]


@pytest.fixture(params=["1", "2"])
def workers(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def begin(tmp_path: Path, contract_file: Path, workers: str) -> Iterator[Start]:
    words = ("serve", "--contract", str(contract_file), "--workers", workers)
    with servers(tmp_path / "home", *words) as start:
        yield start


def replace(path: Path, text: str | bytes) -> None:
    """Put something in a file's place all at once, as an operator should."""
    part = path.with_name(path.name + ".new")
    part.write_bytes(text.encode() if isinstance(text, str) else text)
    part.replace(path)


def said(server: Server, text: str, times: int = 1) -> None:
    wait_until(lambda: sum(text in line for line in server.lines) >= times)


def send(server: Server, *events: dict[str, Any], digest: str | None = None) -> list[str]:
    """Deliver events on a connection of its own; return why some were dropped."""
    batch = {"tool": "stratus", "events": list(events)}
    answer = server.call("POST", "/v1/events", batch | ({"contract": digest} if digest else {}))
    assert answer.status == 200
    return [row["reason"] for row in answer.json()["dropped"]]


def restart_event() -> dict[str, Any]:
    return make_event(cli={"version": "3.1.2", "command": "restart"})


def everywhere(action: Callable[[], list[str]], wanted: list[str]) -> None:
    """Wait until an action has the wanted outcome many times on end: whichever worker it meets."""
    wait_until(lambda: all(action() == wanted for _ in range(10)))


@pytest.mark.slow
def test_a_contract_is_replaced_while_requests_flow(begin: Start, contract_file: Path) -> None:
    server = begin()
    port = int(server.url.rpartition(":")[2])
    old = parse(CONTRACT).digest
    assert send(server, restart_event()) == ["unknown-command"]
    with clients(port, 4) as running:  # each of whose events is fine under any of the contracts
        wait_until(lambda: batches(running) > 20)
        for text in (WIDER, CONTRACT, WIDER):
            before, lines = batches(running), sum(IN_FORCE in line for line in server.lines)
            replace(contract_file, text)
            said(server, IN_FORCE, lines + 1)
            wait_until(lambda n=before: batches(running) > n + 20)
        assert_untroubled(running)
    everywhere(lambda: send(server, restart_event()), [])
    everywhere(lambda: send(server, make_event(), digest=old), [])
    shown = server.call("GET", "/v1/contracts/stratus").json()
    assert shown["digest"] == parse(WIDER).digest
    assert server.stop() == 0


def assert_untroubled(running: list[Client]) -> None:
    assert [row.problem for row in running if row.problem] == []
    assert sum(row.lost for row in running) == 0
    assert not any(row.refusals for row in running)


@pytest.mark.slow
def test_a_batch_under_the_old_contract_loses_a_field_and_no_event(
    begin: Start, contract_file: Path
) -> None:
    server = begin()
    old = parse(CONTRACT).digest
    assert send(server, make_event(), digest=old) == []
    replace(contract_file, NARROWER)
    said(server, IN_FORCE)
    everywhere(lambda: send(server, make_event()), ["undeclared-field"])
    assert send(server, make_event(), make_event(), digest=old) == []
    assert server.stop() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("this is no TOML", "askfirst: the contract in force stays: "),
        (CONTRACT.replace("stratus", "nimbus"), "the files name other tools; restart"),
        (None, "askfirst: the contract in force stays: "),
    ],
)
def test_a_contract_that_cannot_be_used_is_said_once_and_the_old_one_stays(
    begin: Start, contract_file: Path, text: str | None, complaint: str
) -> None:
    server = begin()
    if text is None:
        contract_file.unlink()
    else:
        replace(contract_file, text)
    said(server, complaint)
    for _ in range(10):
        assert send(server, restart_event()) == ["unknown-command"]
        answer = server.call("POST", "/v1/events", {"tool": "nimbus", "events": []})
        assert answer.status == 404
    replace(contract_file, WIDER)
    said(server, IN_FORCE)
    everywhere(lambda: send(server, restart_event()), [])
    assert sum(complaint in line for line in server.lines) == 1
    assert server.stop() == 0


def test_a_change_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    watched = Watched([str(path), str(tmp_path / "missing")])
    assert not watched.changed()
    replace(path, "two")
    assert [watched.changed(), watched.changed()] == [True, False]
    path.unlink()
    assert [watched.changed(), watched.changed()] == [True, False]
    (tmp_path / "missing").touch()
    assert [watched.changed(), watched.changed()] == [True, False]


def test_a_hangup_reads_the_contract_again(begin: Start, contract_file: Path) -> None:
    """Also one whose file looks untouched: same size, same time, same inode."""
    server = begin()
    send(server, restart_event())
    status = contract_file.stat()
    other = CONTRACT.replace('"stop"', '"halt"')
    assert len(other) == len(CONTRACT)
    contract_file.write_text(other)
    os.utime(contract_file, ns=(status.st_atime_ns, status.st_mtime_ns))
    server.process.send_signal(signal.SIGHUP)
    said(server, IN_FORCE)
    halt = {"version": "3.1.2", "command": "halt"}
    everywhere(lambda: send(server, make_event(cli=halt)), [])


def test_a_hangup_and_a_new_contract_while_it_starts_are_not_lost(
    begin: Start, contract_file: Path, tmp_path: Path
) -> None:
    log = tmp_path / "home" / "data" / "askfirst" / "askfirst.duckdb-log" / "0"
    log.mkdir(parents=True, mode=0o700)
    with (log / "lock").open("wb") as held:  # as another collector does that is about to end
        fcntl.flock(held, fcntl.LOCK_EX)
        server = begin(wait=False)
        wait_until(lambda: (log / "name").exists() or server.process.poll() is not None)
        server.process.send_signal(signal.SIGHUP)
        replace(contract_file, WIDER)
    server.ready()
    said(server, IN_FORCE)
    everywhere(lambda: send(server, restart_event()), [])
    assert server.stop() == 0


def test_a_hangup_in_the_middle_of_its_imports_does_not_end_it() -> None:
    hang_up = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        "        if name == 'askfirst.cli.serve':\n"
        "            os.kill(os.getpid(), signal.SIGHUP)\n"
        "sys.meta_path.insert(0, Finder)\n"
    )
    words = [sys.executable, "-c", hang_up + RUN, "serve", "--help"]
    assert subprocess.run(words, capture_output=True, timeout=DEADLINE, check=False).returncode == 0


def test_a_hangup_that_finds_nothing_new_says_nothing(begin: Start, contract_file: Path) -> None:
    server = begin()
    server.process.send_signal(signal.SIGHUP)
    replace(contract_file, CONTRACT.replace("Which runtimes?", "Which of them?"))
    said(server, IN_FORCE)
    contract_file.write_text(contract_file.read_text() + "# a comment is no other contract\n")
    server.process.send_signal(signal.SIGHUP)
    assert send(server, make_event()) == []
    assert server.stop() == 0
    assert sum(IN_FORCE in line for line in server.lines) == 1


@pytest.mark.slow
def test_a_worker_that_is_started_again_has_the_contract_in_force(
    tmp_path: Path, contract_file: Path
) -> None:
    with servers(tmp_path / "home") as begin:
        server = begin("serve", "--contract", str(contract_file), "--workers", "2")
        replace(contract_file, WIDER)
        said(server, IN_FORCE)
        for number, victim in enumerate(workers_of(server)):
            os.kill(victim, signal.SIGKILL)
            said(server, "it is started again", number + 1)
            wait_until(lambda: len(workers_of(server)) == 2)
        everywhere(lambda: send(server, restart_event()), [])


# Certificates


class Pair:
    """A certificate and its key in two files, from an authority of their own."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "cert.pem", folder / "key.pem"
        self._authority = trustme.CA()
        self.context = ssl.create_default_context()
        self._authority.configure_trust(self.context)
        self.words = ("--tls-cert", str(self.certificate), "--tls-key", str(self.key))

    def issue(self) -> tuple[bytes, bytes]:
        """Return a new certificate chain and its key."""
        issued = self._authority.issue_cert("127.0.0.1")
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return chain, issued.private_key_pem.bytes()

    def put(self, chain: bytes, key: bytes) -> bytes:
        """Put a pair in place; return the certificate as a client sees it."""
        replace(self.certificate, chain)
        replace(self.key, key)
        return ssl.PEM_cert_to_DER_cert(chain.decode().split("-----END")[0] + FOOTER)


FOOTER = "-----END CERTIFICATE-----\n"


def shown(server: Server, context: ssl.SSLContext) -> bytes:
    """Return the certificate that a new connection gets to see."""
    port = int(server.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


class Caller(threading.Thread):
    """Makes one TLS connection after another, each with a delivery; remembers what failed."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.delivered = 0
        self.failures: list[str] = []
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                assert send(self.server, make_event()) == []
                self.delivered += 1
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def serve_tls(begin: Start, pair: Pair, contract: Path, workers: str) -> Server:
    words = ("serve", "--contract", str(contract), "--workers", workers)
    return begin(*words, *pair.words, context=pair.context)


@pytest.mark.slow
def test_a_certificate_is_replaced_while_connections_flow(
    begin: Start, pair: Pair, contract_file: Path, workers: str
) -> None:
    old = pair.put(*pair.issue())
    server = serve_tls(begin, pair, contract_file, workers)
    assert {shown(server, pair.context) for _ in range(10)} == {old}
    staying = server.connect()
    staying.request("GET", "/health")
    assert staying.getresponse().read()
    callers = [Caller(server) for _ in range(3)]
    for caller in callers:
        caller.start()
    wait_until(lambda: all(caller.delivered > 3 for caller in callers))
    new = pair.put(*pair.issue())
    assert new != old
    said(server, RENEWED)
    wait_until(lambda: {shown(server, pair.context) for _ in range(20)} == {new})
    enough = [caller.delivered + 3 for caller in callers]
    wait_until(lambda: all(c.delivered > n for c, n in zip(callers, enough, strict=True)))
    for caller in callers:
        caller.over.set()
        caller.join()
    assert [caller.failures for caller in callers] == [[], [], []]
    staying.close()
    assert server.stop() == 0
    assert "Traceback" not in server.errors


@pytest.mark.slow
def test_a_pair_that_does_not_fit_keeps_the_old_one_in_use(
    begin: Start, pair: Pair, contract_file: Path, workers: str
) -> None:
    old = pair.put(*pair.issue())
    server = serve_tls(begin, pair, contract_file, workers)
    chain, key = pair.issue()
    replace(pair.certificate, chain)
    said(server, "the certificate in use stays: ")
    assert {shown(server, pair.context) for _ in range(20)} == {old}
    pair.certificate.unlink()
    said(server, "the certificate in use stays: ", 2)
    assert {shown(server, pair.context) for _ in range(20)} == {old}
    new = pair.put(chain, key)
    said(server, RENEWED)
    wait_until(lambda: {shown(server, pair.context) for _ in range(20)} == {new})
    assert server.stop() == 0


@pytest.mark.slow
def test_a_hangup_renews_both(begin: Start, pair: Pair, contract_file: Path, workers: str) -> None:
    pair.put(*pair.issue())
    server = serve_tls(begin, pair, contract_file, workers)
    replace(contract_file, WIDER)
    new = pair.put(*pair.issue())
    server.process.send_signal(signal.SIGHUP)
    said(server, IN_FORCE)
    said(server, RENEWED)
    wait_until(lambda: {shown(server, pair.context) for _ in range(20)} == {new})
    everywhere(lambda: send(server, restart_event()), [])


@pytest.mark.slow
def test_a_contract_waits_for_a_store_that_does_not_take_it(
    tmp_path: Path, contract_file: Path
) -> None:
    with small_disk(tmp_path / "disk", "48m") as disk, servers(tmp_path / "home") as begin:
        store = str(disk.folder / "s.duckdb")
        server = begin("serve", "--contract", str(contract_file), "--store", store)
        for _ in range(2):  # with the second load, all that its start has to write is written
            assert send(server, make_event()) == []
            server.answer("commands")
        disk.fill()
        # much, since the last page of a file that is there takes a little on a full disk too
        more = "".join(
            f'[fields.f{n}]\ntreatment = "flag"\npurpose = "{"why " * 40}"\n' for n in range(50)
        )
        replace(contract_file, WIDER + more)
        said(server, "the contract in force stays until the store takes another")
        disk.free()
        said(server, IN_FORCE)
        assert send(server, restart_event()) == []
        assert server.stop() == 0
