"""`askfirst serve` refuses to start with one line that says why and what to do."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from askfirst.cli.main import root
from tests.collector.retrying import stopped, workers_of
from tests.collector.serving import CONTRACT, Server, make_event, servers

Start = Callable[..., Server]
REFUSAL_S = 180  # for ten of them it waits for a lock


@pytest.fixture
def contract(tmp_path: Path) -> str:
    path = tmp_path / "telemetry.toml"
    path.write_text(CONTRACT)
    return str(path)


@pytest.fixture
def begin(tmp_path: Path, contract: str) -> Iterator[Start]:
    with servers(tmp_path / "home", "serve", "--contract", contract) as start:
        yield start


@pytest.fixture
def words(tmp_path: Path, contract: str) -> tuple[str, ...]:
    return ("serve", "--contract", contract, "--store", str(tmp_path / "s.duckdb"))


def refusal(server: Server, code: int = 1) -> str:
    """Return the last line of a collector that did not start."""
    server.process.wait(REFUSAL_S)
    assert server.wait() == code
    assert server.output == []
    assert "Traceback" not in server.errors
    if code == 1:
        [line] = server.lines
        assert line.startswith("askfirst: ")
    return server.lines[-1]


def pair(folder: Path, name: str) -> tuple[str, str]:
    """Write a certificate and its key; return their paths."""
    issued = trustme.CA().issue_cert("127.0.0.1")
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    return str(certificate), str(key)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("this is no TOML", "telemetry.toml"),
        (CONTRACT.replace("https://telemetry", "http://telemetry"), "collector"),
        (CONTRACT.replace('treatment = "flag"', 'treatment = "text"'), "interactive"),
    ],
)
def test_a_bad_contract_names_what_to_change(
    begin: Start, contract: str, text: str, says: str
) -> None:
    Path(contract).write_text(text)
    assert says in refusal(begin(wait=False))


@pytest.mark.slow
def test_a_log_that_another_process_writes(
    begin: Start, words: tuple[str, ...], tmp_path: Path
) -> None:
    first = begin(*words)
    assert first.stop() == 0
    folder = tmp_path / "s.duckdb-log" / "0"
    with (folder / "lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        line = refusal(begin(*words, wait=False))
    assert f"another collector writes {folder}; stop it first" in line


@pytest.mark.slow
def test_a_worker_of_a_killed_collector_that_does_not_end(
    begin: Start, words: tuple[str, ...], tmp_path: Path
) -> None:
    """It may still acknowledge: nobody else may write where it writes."""
    server = begin(*words, "--workers", "2")
    batch = {"tool": "stratus", "events": [make_event()]}
    assert server.call("POST", "/v1/events", batch).status == 200
    victim, _ = workers_of(server)
    with stopped(victim):
        server.process.kill()
        server.process.wait()
        line = refusal(begin(*words, "--workers", "2", wait=False))
        assert "another collector writes" in line
    second = begin(*words, "--workers", "2")
    assert second.call("POST", "/v1/events", batch).status == 200
    assert second.stop() == 0


def test_half_a_tls_pair_is_wrong_usage(begin: Start, words: tuple[str, ...]) -> None:
    for option in ("--tls-cert", "--tls-key"):
        line = refusal(begin(*words, option, "x.pem", wait=False), 2)
        assert "--tls-cert and --tls-key belong together; give both" in line


def test_a_key_of_another_certificate(begin: Start, words: tuple[str, ...], tmp_path: Path) -> None:
    certificate, _ = pair(tmp_path, "one")
    _, key = pair(tmp_path, "two")
    line = refusal(begin(*words, "--tls-cert", certificate, "--tls-key", key, wait=False))
    assert certificate in line
    assert key in line


def test_a_key_with_a_password_is_not_asked_for(
    begin: Start, words: tuple[str, ...], tmp_path: Path
) -> None:
    """Nobody sits at a server's terminal."""
    from cryptography.hazmat.primitives import serialization

    certificate, key = pair(tmp_path, "one")
    plain = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    locked = plain.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    Path(key).write_bytes(locked)
    line = refusal(begin(*words, "--tls-cert", certificate, "--tls-key", key, wait=False))
    assert key in line


def test_a_store_that_is_none(begin: Start, words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "s.duckdb").write_text("something else altogether\n" * 1000)
    line = refusal(begin(*words, wait=False))
    assert "s.duckdb is not a store of askfirst; give another path" in line
    assert (tmp_path / "s.duckdb").read_text().startswith("something else")


def test_a_quota_that_holds_no_request(begin: Start, words: tuple[str, ...]) -> None:
    line = refusal(begin(*words, "--workers", "2", "--log-quota", "47MiB", wait=False), 2)
    assert "with --workers 2 give at least 48MiB" in line


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-5"])
def test_seconds_that_are_no_time_to_wait(contract: str, seconds: str) -> None:
    words = ["serve", "--contract", contract, "--idle-seconds", seconds]
    result = CliRunner().invoke(root, words)
    assert result.exit_code == 2
    assert "give seconds above 0" in result.stderr
