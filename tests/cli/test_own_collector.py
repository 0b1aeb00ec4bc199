"""A collector with TLS is asked on its own machine too, where its certificate's name is another."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from askfirst.cli.own_collector import first_of
from tests.collector.serving import CONTRACT, RUN, Server, environment, make_event, servers

pytestmark = pytest.mark.slow


def write_pair(folder: Path, name: str) -> tuple[Path, Path]:
    """Write a certificate chain and its key, of an authority that nobody trusts."""
    issued = trustme.CA().issue_cert("telemetry.example.org")
    chain, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(chain, append=number > 0)
    issued.private_key_pem.write_to_path(key)
    return chain, key


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "telemetry.toml").write_text(CONTRACT)
    chain, key = write_pair(tmp_path, "chain")
    words = ("serve", "--contract", str(tmp_path / "telemetry.toml"))
    tls = ("--tls-cert", str(chain), "--tls-key", str(key))
    context = ssl._create_unverified_context()
    with servers(tmp_path / "home", *words, *tls) as begin:
        server = begin(context=context)
        batch = {"tool": "stratus", "events": [make_event()]}
        assert server.call("POST", "/v1/events", batch).status == 200
        yield server


def askfirst(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_asked_by_the_certificate_it_said_it_serves(running: Server) -> None:
    report = askfirst(running.home, "report", "quality", "--json")
    assert report.returncode == 0, report.stderr
    assert "stored" in json.loads(report.stdout)
    checked = askfirst(running.home, "store", "check")
    assert checked.returncode == 0, checked.stderr


def test_whoever_shows_another_certificate_does_not_get_the_token(
    running: Server, tmp_path: Path
) -> None:
    other, _ = write_pair(tmp_path, "other")
    announcement = running.home / "data" / "askfirst" / "askfirst.duckdb-server.json"
    row = json.loads(announcement.read_text())
    announcement.write_text(json.dumps({**row, "certificate": str(other)}))
    for words in (("report",), ("store", "check")):
        done = askfirst(running.home, *words)
        assert done.returncode == 1
        assert f"it does not show the certificate in {other}" in done.stderr
        assert "Traceback" not in done.stderr
    page = running.call("GET", "/metrics").body.decode()
    assert "/v1/answers/" not in page
    assert "/v1/store/" not in page


def test_a_file_without_a_certificate_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(ssl.SSLError, match="holds no certificate"):
        first_of(tmp_path / "key.pem")
