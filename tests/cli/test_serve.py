"""`askfirst serve` as a process: what it says, where it listens, and what it refuses."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme

from askfirst.contract.event import now_ms
from askfirst.stores.base import DAY_MS
from tests.client.terminal import Terminal
from tests.collector.serving import CONTRACT, RUN, Answer, Server, make_event, servers, wait_until

Start = Callable[..., Server]


@pytest.fixture
def contract(tmp_path: Path) -> str:
    path = tmp_path / "telemetry.toml"
    path.write_text(CONTRACT)
    return str(path)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def start(home: Path, contract: str) -> Iterator[Start]:
    with servers(home, "serve", "--contract", contract) as begin:
        yield begin


def deliver(server: Server, *tools: str) -> list[int]:
    answers = [
        server.call("POST", "/v1/events", {"tool": tool, "events": [make_event()]})
        for tool in tools or ["stratus"]
    ]
    return [answer.status for answer in answers]


def log_in(server: Server) -> Answer:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return server.call("POST", "/login", f"token={server.token}".encode(), form)


def test_it_says_where_it_listens_and_how_to_log_in(start: Start, home: Path) -> None:
    server = start()
    wait_until(lambda: len(server.lines) >= 2)
    assert server.lines == [
        f"listening on {server.url}",
        f"log in at {server.url}/login#{server.token}",
    ]
    assert server.url.startswith("http://127.0.0.1:")
    assert log_in(server).status == 303
    assert server.stop() == 0
    assert server.output == []


def test_the_store_the_log_and_the_token_are_for_this_user_alone(start: Start, home: Path) -> None:
    server = start()
    deliver(server)
    folder = home / "data" / "askfirst"
    assert {path.name for path in folder.iterdir()} >= {
        "askfirst.duckdb",
        "askfirst.duckdb-log",
        "askfirst.duckdb-server.json",
    }
    for path in (folder, folder / "askfirst.duckdb-log", home / "state" / "askfirst"):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (folder / "askfirst.duckdb-server.json", home / "state" / "askfirst" / "token"):
        assert path.stat().st_mode & 0o777 == 0o600


def test_while_it_runs_a_file_says_where_and_who_it_is(start: Start, home: Path) -> None:
    path = home / "data" / "askfirst" / "askfirst.duckdb-server.json"
    server = start()
    assert json.loads(path.read_text()) == {
        "url": server.url,
        "pid": server.process.pid,
        "store": str(path).removesuffix("-server.json"),
        "certificate": None,
    }
    assert server.stop(signal.SIGINT) == 0
    assert not path.exists()
    assert "Traceback" not in server.errors


def test_a_long_folder_for_temporary_files_is_no_obstacle(start: Start, tmp_path: Path) -> None:
    """The path of a socket has at most 107 bytes."""
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    server = start(run=f"import os; os.environ['TMPDIR'] = {str(folder)!r}; {RUN}")
    assert server.call("GET", "/health").status == 200


def test_several_contracts_may_follow_one_option(
    start: Start, contract: str, tmp_path: Path
) -> None:
    names = ["nimbus", "cirrus"]
    for name in names:
        (tmp_path / name).write_text(CONTRACT.replace('name = "stratus"', f'name = "{name}"'))
    others = [str(tmp_path / name) for name in names]
    server = start("serve", "--contract", contract, others[0], "--contract", others[1])
    assert deliver(server, "stratus", "nimbus", "cirrus", "nothing") == [200, 200, 200, 404]


def test_answers_hold_no_server_header_and_no_trace_of_the_client(start: Start) -> None:
    answer = start().call("GET", "/health")
    assert "server" not in answer.headers
    assert answer.json() == {"status": "ok", "ready": True}


def test_an_answer_sees_what_was_accepted_before_it_was_asked(start: Start) -> None:
    server = start()
    moment = now_ms() - DAY_MS
    day = dt.datetime.fromtimestamp(moment / 1000, dt.timezone.utc).date()
    for count in range(1, 4):
        event = make_event(timestamp=moment, installationId=f"{count}d" * 32)
        batch = {"tool": "stratus", "events": [event]}
        assert server.call("POST", "/v1/events", batch).json()["accepted"] == 1
        assert server.answer(f"active?as_of={day}")["daily"] == count


def test_it_speaks_tls_and_the_cookie_is_then_for_tls_alone(start: Start, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(certificate, append=number > 0)
    issued.private_key_pem.write_to_path(key)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    (tmp_path / "c.toml").write_text(CONTRACT)
    server = start(
        "serve",
        "--contract",
        str(tmp_path / "c.toml"),
        "--tls-cert",
        str(certificate),
        "--tls-key",
        str(key),
        context=context,
    )
    assert server.url.startswith("https://127.0.0.1:")
    assert deliver(server) == [200]
    cookie = log_in(server).headers["set-cookie"]
    assert "Secure" in cookie
    assert server.stop() == 0


def test_a_request_in_flight_is_answered_when_it_is_told_to_stop(start: Start) -> None:
    server = start()
    body = json.dumps({"tool": "stratus", "events": [make_event()]}).encode()
    connection = server.connect()
    connection.putrequest("POST", "/v1/events")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    other = server.connect()
    other.request("GET", "/health")
    assert other.getresponse().status == 200  # so the first one has reached the application
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: _refuses(server))
    connection.send(body[10:])
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["accepted"]) == (200, 1)
    connection.close()
    other.close()
    assert server.wait() == 0


def _refuses(server: Server) -> bool:
    connection = server.connect()
    try:
        connection.connect()
    except (OSError, http.client.HTTPException):
        return True
    else:
        return False
    finally:
        connection.close()


def failure(server: Server) -> str:
    """Return the one line with which it ended, exit code 1."""
    server.process.wait(180)
    assert server.wait() == 1
    assert server.output == []
    [line] = server.lines
    assert line.startswith("askfirst: ")
    return line


def test_a_port_in_use_is_refused(home: Path, contract: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, servers(home) as begin:
        port = str(taken.getsockname()[1])
        server = begin("serve", "--contract", contract, "--port", port, free=False, wait=False)
        line = failure(server)
    assert f"port {port}" in line
    assert "--port" in line


def test_a_store_that_another_process_holds_is_refused(start: Start, contract: str) -> None:
    start()
    line = failure(start(wait=False))
    assert "another process holds the store" in line


def test_two_contracts_of_one_tool_are_refused(start: Start, contract: str) -> None:
    line = failure(start("serve", "--contract", contract, contract, wait=False))
    assert "second contract of stratus" in line


def test_a_bad_contract_is_refused(start: Start, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.toml")
    assert missing in failure(start("serve", "--contract", missing, wait=False))


def test_a_folder_that_cannot_be_written_is_refused(start: Start, contract: str) -> None:
    store = "/proc/askfirst/s.duckdb"  # where not even root can make a folder
    line = failure(start("serve", "--contract", contract, "--store", store, wait=False))
    assert "/proc/askfirst" in line


def test_a_store_below_a_file_is_refused(start: Start, contract: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = str(tmp_path / "file" / "s.duckdb")
    line = failure(start("serve", "--contract", contract, "--store", store, wait=False))
    assert str(tmp_path / "file") in line


def test_a_log_that_cannot_be_a_folder_is_refused(
    start: Start, contract: str, tmp_path: Path
) -> None:
    (tmp_path / "s.duckdb-log").touch()
    store = str(tmp_path / "s.duckdb")
    line = failure(start("serve", "--contract", contract, "--store", store, wait=False))
    assert "s.duckdb-log" in line


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_certificate_that_cannot_be_read_is_refused(
    start: Start, contract: str, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "cert.pem"
    if content:
        path.write_text(content)
    words = ("--tls-cert", str(path), "--tls-key", str(path))
    assert str(path) in failure(start("serve", "--contract", contract, *words, wait=False))


def test_without_a_token_everybody_on_this_machine_may_look(start: Start, contract: str) -> None:
    server = start("serve", "--contract", contract, "--no-token")
    wait_until(lambda: len(server.lines) >= 2)
    assert server.lines[1] == f"everybody on this machine may read the answers at {server.url}"
    assert server.call("GET", "/v1/answers/active").status == 200
    assert server.call("GET", "/", headers={"Host": "rebound.example.org"}).status == 421
    assert server.answer("active")["daily"] == 0  # a script may go on sending the token


def test_aggregates_are_public_only_when_told(start: Start, contract: str) -> None:
    server = start()
    assert server.call("GET", "/public").status == 404
    assert server.stop() == 0
    server = start("serve", "--contract", contract, "--public")
    wait_until(lambda: len(server.lines) >= 3)
    assert server.lines[2] == f"everybody may read {server.url}/public"
    assert server.call("GET", "/public").status == 200
    assert server.call("GET", "/active").status == 401


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--contract", "x", "--tls-cert", "y"],
        ["--contract", "x", "--port", "99999"],
        ["--contract", "x", "--no-token", "--host", "0.0.0.0"],
        ["--contract", "x", "--public-threshold", "4"],
    ],
)
def test_wrong_usage_exits_2(start: Start, words: list[str]) -> None:
    server = start("serve", *words, wait=False, free=False)
    assert server.wait() == 2


def test_an_unknown_host_is_refused(start: Start, contract: str) -> None:
    words: Any = ("--host", "192.0.2.1")  # kept for documentation: no machine has it
    assert "192.0.2.1" in failure(start("serve", "--contract", contract, *words, wait=False))


def test_it_ends_with_the_terminal_it_was_started_on(tmp_path: Path, contract: str) -> None:
    """A SIGHUP is a wish to read the contract again, unless it says that nobody is there."""
    env = {**os.environ, "HOME": str(tmp_path)}
    argv = [sys.executable, "-c", RUN, "serve", "--contract", contract, "--port", "0"]
    with closing(Terminal(argv, env)) as terminal:
        terminal.expect("listening on")
        terminal.expect("log in at")
        terminal.signal(signal.SIGHUP)
        Path(contract).write_text("[")
        terminal.expect("the contract in force stays")
        assert terminal.hang_up() == 0
