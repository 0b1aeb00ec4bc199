"""`askfirst inspect`: what a tool sends, byte for byte, and nothing on the disk."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.program import Program
from tests.collector.serving import Server, servers, wait_until


@pytest.fixture
def inspect(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    with servers(tmp_path / "inspector", "inspect") as begin:
        yield begin


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """A tool to inspect, in another home."""
    program = Program(tmp_path)
    yield program
    program.close()


def test_each_event_is_printed_exactly_as_it_came(inspect: Callable[..., Server]) -> None:
    server = inspect()
    odd = b'{ "b":1,"a" : [ 1.50, "\\u00e9" ],"b":2}'
    body = b'{"tool":"anything", "events":[' + odd + b' , {"x":{}}, 7]}'
    answer = server.call("POST", "/v1/events", body)
    assert (answer.status, answer.json()) == (200, {"accepted": 3, "dropped": []})
    wait_until(lambda: len(server.output) == 3)
    assert b"".join(server.output) == odd + b'\n{"x":{}}\n7\n'


def test_gzip_is_shown_unpacked(inspect: Callable[..., Server]) -> None:
    server = inspect()
    body = gzip.compress(b'{"tool":"t","events":[{"id":"x"}]}')
    assert server.call("POST", "/v1/events", body, {"Content-Encoding": "gzip"}).status == 200
    wait_until(lambda: server.output == [b'{"id":"x"}\n'])


def test_erasures_and_wolkenkit_commands_are_shown_whole(inspect: Callable[..., Server]) -> None:
    server = inspect()
    erasure = b'{"tool":"t",  "installationId":"9d"}'
    assert server.call("POST", "/v1/erasures", erasure).json() == {"erased": 0}
    vector = Path(__file__).parents[1] / "vectors" / "wolkenkit-3.1.2-command.json"
    command = json.dumps(json.loads(vector.read_text())["body"], separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json;charset=utf-8"}
    assert server.call("POST", "/v1/command", command, headers).status == 200
    wait_until(lambda: server.output == [erasure + b"\n", command + b"\n"])


def test_what_is_no_batch_is_refused_like_a_collector_does(
    inspect: Callable[..., Server],
) -> None:
    server = inspect()
    assert server.call("POST", "/v1/events", b"{").status == 400
    assert server.call("POST", "/v1/events", b"[]").status == 422
    assert server.call("POST", "/v1/events", b"{}", {"Content-Type": "text/plain"}).status == 415
    assert server.call("GET", "/v1/contracts/t").status == 404
    assert server.output == []


def test_it_keeps_nothing_and_ends_with_0(inspect: Callable[..., Server], tmp_path: Path) -> None:
    server = inspect()
    server.call("POST", "/v1/events", {"tool": "t", "events": [{}]})
    assert server.stop() == 0
    assert server.lines[0] == f"listening on {server.url}"
    assert server.lines[-1] == "t: event 1 of 1"
    assert not list((tmp_path / "inspector").rglob("*"))


def test_it_says_how_to_point_a_tool_at_it_and_what_arrives(
    inspect: Callable[..., Server], program: Program
) -> None:
    """The guide, word for word, of a real tool; whose author made mistakes."""
    server = inspect()
    wait_until(lambda: any("Ctrl-C" in line for line in server.lines))
    [export] = [line for line in server.lines if "export" in line]
    name, _, url = export.split()[1].partition("=")
    steps = [line.split()[1:3] for line in server.lines if "<tool> telemetry" in line]
    assert (name, url, steps) == (
        "ASKFIRST_COLLECTOR",
        server.url,
        [["telemetry", "on"], ["telemetry", "send"]],
    )
    program.env[name] = url
    program.agree()  # no delivery is due: `send` is the one that delivers
    mistakes = {"runtime": "2.0.0", "undeclared": 1, "cold": "yes", "colour": ["red"]}
    run = program.run("start", VALUES=json.dumps(mistakes))
    assert (run.returncode, run.stdout, run.stderr) == (0, "started\n", "")
    assert program.run("telemetry", "send").stdout == "1 event sent.\n"
    wait_until(lambda: server.lines[-1] == "tin: event 1 of 1" and server.output)
    event = json.loads(server.output[0])
    assert event["cli"] == {"version": "1.0.0", "command": "start"}
    assert event["runtime"] == "2.0.0"
    assert event.keys() == {"id", "installationId", "timestamp", "cli", "runtime", "colour"}
    erase = program.run("telemetry", "erase")
    assert (erase.returncode, erase.stdout) == (1, ""), "nobody else was asked"
    assert f"{server.url} answered 200: " in erase.stderr
    wait_until(lambda: server.lines[-1] == "tin: asks to be forgotten" and len(server.output) == 2)
    erasure = json.loads(server.output[1])
    assert erasure == {"tool": "tin", "installationId": event["installationId"]}
