"""Every command that takes a store takes one on a server; a password shows nowhere."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from askfirst.cli.main import root
from askfirst.collector.config import beside
from askfirst.contract.loading import parse
from askfirst.stores.opening import open_store
from tests.cli.test_store import content as content_of
from tests.cli.test_store import fill, left_in_log, sent
from tests.collector.serving import CONTRACT, environment, servers
from tests.stores.server import free_port, started

SECRET = "t0p-secret"
Run = Callable[..., Result]


@pytest.fixture(name="contract")
def _contract(tmp_path: Path) -> str:
    (tmp_path / "telemetry.toml").write_text(CONTRACT)
    return str(tmp_path / "telemetry.toml")


def content(place: Any) -> list[Any]:
    """Return the events; engines differ in the order of those of one moment."""
    return sorted(content_of(place), key=lambda row: row[0])


@pytest.fixture
def url(clickhouse: Any) -> Iterator[str]:
    where = clickhouse.new()
    yield where
    clickhouse.drop(where)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):  # HOME has the engine in its cache
        monkeypatch.setenv(name, str(tmp_path / name))

    def run(*words: str | Path, code: int = 0) -> Result:
        result = CliRunner().invoke(root, list(map(str, words)))
        assert result.exit_code == code, result.output
        assert code != 1 or len(result.stderr.splitlines()) == 1
        assert SECRET not in result.output
        return result

    return run


def test_a_store_on_a_server_is_looked_after_like_a_file(
    run: Run, url: str, contract: str, tmp_path: Path
) -> None:
    run("store", "check", "--store", url, code=1)  # there is none yet
    fill(tmp_path / "s.duckdb", sent())
    run("store", "export", tmp_path / "a.parquet", "--store", tmp_path / "s.duckdb")
    words = ("--store", url, "--contract", contract)
    taken = run("store", "import", tmp_path / "a.parquet", *words)
    assert taken.stderr == "stored 3 events, 0 were there already\n"
    assert run("store", "check", "--store", url).output == "stratus: 3 events\ngood\n"
    assert content(url) == content(tmp_path / "s.duckdb")
    today = datetime.now(timezone.utc).date().isoformat()
    answer = run("report", "quality", "--json", "--as-of", today, "--store", url)
    assert json.loads(answer.stdout)["stored"] == 3
    run("store", "export", tmp_path / "b.ndjson", "--store", url)
    who = json.loads((tmp_path / "b.ndjson").read_text().splitlines()[0])["installationId"]
    assert "forgot 0 events" in run("store", "retain", "--store", url).stderr
    assert run("store", "erase", who, "--store", url).stderr == "erased 3 events\n"
    assert run("store", "check", "--store", url).output == "stratus: 0 events\ngood\n"


def test_what_one_database_waits_for_is_not_brought_to_another(
    run: Run, url: str, clickhouse: Any
) -> None:
    other = clickhouse.new()
    for place in (url, other):
        open_store(place).declare(parse(CONTRACT))
    folder = beside(url, "-log", os.environ) / "0"
    left_in_log(folder, sent())
    counted = "report", "quality", "--json", "--as-of", f"{datetime.now(timezone.utc).date()}"
    assert json.loads(run(*counted, "--store", other).stdout)["stored"] == 0
    assert list(folder.glob("*.log"))
    assert json.loads(run(*counted, "--store", url).stdout)["stored"] == 3
    clickhouse.drop(other)


def test_a_backup_that_a_server_refuses_is_one_line(run: Run, url: str) -> None:
    open_store(url).close()
    refused = run("store", "backup", "copied", "--store", url, code=1)
    assert "code 318" in refused.stderr  # a setting is missing
    assert "backups.allowed_path" in refused.stderr
    assert "letters" in run("store", "backup", "it's.zip", "--store", url, code=1).stderr
    assert "BACKUP" in run("store", "backup", "--store", url, code=1).stderr


@pytest.mark.slow
def test_a_backup_lies_where_the_server_allows_it(run: Run, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    config = f"<backups><allowed_path>{kept}/</allowed_path></backups>"
    with started(tmp_path / "server", config) as server:
        url = server.new()
        open_store(url).close()
        run("store", "backup", "copied", "--store", url)
        server.drop(url)
        name = urlsplit(url).path[1:]
        server.ask(f"RESTORE DATABASE {name} FROM File('copied')")
        run("store", "check", "--store", url)
    assert (kept / "copied").exists()


@pytest.mark.parametrize("words", [("store", "check"), ("report",), ("simulate",)])
def test_a_password_shows_in_no_error(run: Run, words: tuple[str, ...], contract: str) -> None:
    more: tuple[str, ...] = ()
    if words == ("simulate",):
        more = ("--contract", contract, "--installations", "5", "--days", "5", "--seed", "1")
    for scheme in ("clickhouse", "clickhouses"):
        url = f"{scheme}://ann:{SECRET}@127.0.0.1:{free_port()}/askfirst"
        said = run(*words, *more, "--store", url, code=1).stderr
        assert "does not answer" in said
        assert "ann" not in said.replace("askfirst", "")


def test_a_password_of_the_environment_is_for_a_url_without_one(
    run: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = f"{parts.scheme}://{parts.username or 'default'}@{host}{parts.path}"
    whole = (
        f"{parts.scheme}://{parts.username or 'default'}:{parts.password or ''}@{host}{parts.path}"
    )
    open_store(whole).close()
    monkeypatch.setenv("ASKFIRST_STORE_PASSWORD", parts.password or "")
    monkeypatch.setenv("ASKFIRST_STORE", bare)
    assert run("store", "check").stdout == "good\n"
    monkeypatch.setenv("ASKFIRST_STORE_PASSWORD", SECRET)
    assert "Authentication failed" in run("store", "check", code=1).stderr
    assert "Authentication failed" in run("report", code=1).stderr
    assert run("store", "check", "--store", whole).stdout == "good\n"


def test_a_file_is_copied_to_a_server(run: Run, url: str, contract: str, tmp_path: Path) -> None:
    store = tmp_path / "s.duckdb"
    fill(store, sent())
    words = ("store", "copy", "--store", store, "--to", url)
    said = run(*words).stderr
    assert "brought 3 events, took 0 back\nevery event and every answer is the same there" in said
    assert content(url) == content(store)
    assert "brought 0 events" in run(*words).stderr
    run("store", "export", tmp_path / "a.csv", "--store", store)
    run("store", "import", tmp_path / "a.csv", "--store", url)
    assert "--beside-others" in run(*words, code=1).stderr
    assert "every event is the same there" in run(*words, "--beside-others").stderr
    run("store", "copy", "--store", url, "--to", url, code=2)
    run("store", "copy", "--store", store, "--to", store, code=2)


def test_a_copy_shows_a_bar_on_a_terminal(url: str, tmp_path: Path) -> None:
    store = tmp_path / "s.duckdb"
    fill(store, sent())
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "askfirst", "store", "copy", "--store", str(store), "--to", url],
        env={**environment(tmp_path / "home"), "TERM": "xterm"},
        stderr=inner,
    )
    os.close(inner)
    said = b""
    with open(outer, "rb", buffering=0) as terminal, contextlib.suppress(OSError):
        while piece := terminal.read(4096):
            said += piece
    assert process.wait(120) == 0
    assert "copying" in (text := said.decode())
    assert "━" in text
    assert "3 events" in text


@pytest.mark.slow
def test_a_collector_goes_on_while_its_store_is_copied(
    url: str, contract: str, tmp_path: Path
) -> None:
    """What it took is there; nothing is left beside its store."""
    home, store = tmp_path / "home", tmp_path / "s.duckdb"
    words = [sys.executable, "-m", "askfirst", "store", "copy", "--to", url]
    with servers(home, "serve", "--contract", contract, "--store", str(store)) as begin:
        server = begin()
        batch = {"tool": "stratus", "events": sent()}
        assert server.call("POST", "/v1/events", batch).status == 200
        done = subprocess.run(
            words, env={**environment(home), "ASKFIRST_STORE": str(store)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"{server.url} goes on collecting" in done.stderr
        assert server.call("POST", "/v1/events", batch).status == 200
        assert server.stop() == 0
    assert len(content(url)) == 3
    assert not list((tmp_path / "s.duckdb-backups").iterdir())
