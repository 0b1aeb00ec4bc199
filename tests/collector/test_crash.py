"""Real collectors on the real store, stopped in every way: acknowledged is stored, once."""

from __future__ import annotations

import http.client
import random
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from askfirst.collector import segment
from tests.collector.serving import DEADLINE

Start = Callable[..., Any]


def stored(home: Path) -> int:
    """Count the events in the store of a collector that has ended."""
    store = home / "data" / "askfirst" / "askfirst.duckdb"
    with duckdb.connect(str(store), read_only=True) as connection:
        [(count,)] = connection.execute("SELECT count(*) FROM events").fetchall()
    return int(count)


def log_folder(home: Path) -> Path:
    return home / "data" / "askfirst" / "askfirst.duckdb-log" / "0"


def send(server: Any, events: list[Any]) -> bool:
    """Deliver a batch; False if the server died before it answered."""
    try:
        answer = server.call("POST", "/v1/events", {"tool": "stratus", "events": events})
    except (OSError, http.client.HTTPException):
        return False
    assert (answer.status, answer.json()["dropped"]) == (200, [])
    return True


class Sender(threading.Thread):
    """Delivers batches until told to stop, and remembers what was acknowledged."""

    def __init__(self, server: Any, event: Callable[..., Any], number: int) -> None:
        super().__init__(daemon=True)
        self.server, self.event = server, event
        self.random = random.Random(number)
        self.acknowledged: list[list[Any]] = []
        self.unanswered: list[list[Any]] = []
        self.over = False

    def run(self) -> None:
        while not self.over:
            batch = [self.event() for _ in range(self.random.randint(1, 40))]
            if send(self.server, batch):
                self.acknowledged.append(batch)
            else:
                self.unanswered.append(batch)
                return


@pytest.mark.parametrize(("seed", "workers"), [(0, 1), (1, 2), (2, 2)])
def test_acknowledged_is_stored_once_though_the_collector_is_killed_under_load(
    start: Start,
    event: Callable[..., Any],
    until: Callable[..., None],
    tmp_path: Path,
    contract_file: Path,
    seed: int,
    workers: int,
) -> None:
    words = ("serve", "--contract", str(contract_file), "--workers", str(workers))
    server = start(*words)
    senders = [Sender(server, event, seed * 10 + n) for n in range(3)]
    for sender in senders:
        sender.start()
    until(lambda: all(sender.acknowledged for sender in senders))
    until(lambda: sum(len(s.acknowledged) for s in senders) >= 20 + 40 * seed)
    server.kill()
    for sender in senders:
        sender.over = True
        sender.join(DEADLINE)
        assert not sender.is_alive()
    second = start(*words)
    repeated = [s.acknowledged[0] for s in senders] + [b for s in senders for b in s.unanswered]
    for batch in repeated:  # a sender that got no answer sends again, and so may one that did
        assert send(second, batch)
    assert second.stop() == 0
    everything = [b for s in senders for b in (*s.acknowledged, *s.unanswered)]
    assert stored(tmp_path / "home") == sum(len(batch) for batch in everything)
    assert not list(log_folder(tmp_path / "home").parent.rglob("*.log"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_collector_that_is_told_to_stop_answers_loads_everything_and_exits_0(
    start: Start,
    event: Callable[..., Any],
    until: Callable[..., None],
    tmp_path: Path,
    number: int,
) -> None:
    server = start()
    senders = [Sender(server, event, n) for n in range(2)]
    for sender in senders:
        sender.start()
    until(lambda: all(sender.acknowledged for sender in senders))
    assert server.stop(number) == 0
    for sender in senders:
        sender.over = True
        sender.join(DEADLINE)
        assert not sender.is_alive()
    acknowledged = sum(len(batch) for s in senders for batch in s.acknowledged)
    unanswered = sum(len(batch) for s in senders for batch in s.unanswered)
    assert acknowledged <= stored(tmp_path / "home") <= acknowledged + unanswered
    assert not list(log_folder(tmp_path / "home").parent.rglob("*.log"))
    assert "Traceback" not in server.errors


def test_a_torn_frame_is_cut_and_a_damaged_one_set_aside_at_the_start(
    start: Start, event: Callable[..., Any], tmp_path: Path
) -> None:
    folder = log_folder(tmp_path / "home")
    first = start()
    assert first.stop() == 0
    good = _frame(event)
    _segment(folder, 101, good + good[: len(good) // 2])
    _segment(folder, 102, _frame(event) + good[:-1] + b"!" + _frame(event))
    second = start()
    assert "0000000000000102.log.corrupt" in second.errors
    metrics = second.call("GET", "/metrics").body.decode()
    assert "askfirst_log_corrupt_segments 1" in metrics
    assert second.stop() == 0
    assert stored(tmp_path / "home") == 2
    assert [p.name for p in folder.glob("*.corrupt")] == ["0000000000000102.log.corrupt"]


def _frame(event: Callable[..., Any]) -> bytes:
    from askfirst.collector.frames import EventsFrame, encode, pack_moments

    one = event()
    frame = EventsFrame(
        tool="stratus",
        received=one["timestamp"],
        id=bytes.fromhex(one["id"].replace("-", "")),
        timestamp=pack_moments([one["timestamp"]]),
        installation=bytes.fromhex(one["installationId"]),
        version=["3.1.2"],
        command=["start"],
        fields={"runtime": ["2.0.0"]},
        counts={},
    )
    return segment.frame(encode(frame))


def _segment(folder: Path, number: int, frames: bytes) -> None:
    (folder / segment.file_name(number)).write_bytes(segment.header(number) + frames)


def test_a_field_the_contract_no_longer_has_does_not_stop_what_waits_in_the_log(
    start: Start,
    event: Callable[..., Any],
    contract_file: Path,
    tmp_path: Path,
) -> None:
    assert start().stop() == 0
    _segment(log_folder(tmp_path / "home"), 7, _frame(event))
    text = contract_file.read_text()
    field = text[text.index("[fields.runtime]") : text.index('[fields."application.name"]')]
    contract_file.write_text(text.replace(field, ""))
    server = start()
    assert server.stop() == 0
    assert stored(tmp_path / "home") == 1


def test_an_erased_installation_is_in_no_file(
    start: Start, event: Callable[..., Any], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    server = start()
    assert send(server, [event(installationId="9d" * 32) for _ in range(50)])
    assert send(server, [event(installationId="aa" * 32)])
    erasure = {"tool": "stratus", "installationId": "9d" * 32}
    assert server.call("POST", "/v1/erasures", erasure).json() == {"erased": 50}
    assert server.stop() == 0
    assert stored(home) == 1
    for path in log_folder(home).parent.rglob("*"):
        assert path.is_dir() or bytes.fromhex("9d" * 32) not in path.read_bytes()


def test_no_file_and_no_line_holds_a_clients_address_or_the_token(
    start: Start, event: Callable[..., Any], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    server = start()
    connection = server.connect()
    connection.source_address = ("127.0.0.77", 0)
    connection.request("POST", "/v1/events", b'{"tool":"stratus","events":[{}]}',
                       {"Content-Type": "application/json"})  # fmt: skip
    assert connection.getresponse().read()
    connection.request("GET", "/v1/answers/active", headers={"Authorization": "Bearer wrong"})
    assert connection.getresponse().status == 401
    connection.close()
    metrics = server.call("GET", "/metrics").body.decode()
    token = server.token
    server.kill()
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert files
    for needle in (b"127.0.0.77", bytes([127, 0, 0, 77])):
        assert not [path for path, data in files.items() if needle in data]
    assert [path.name for path, data in files.items() if token.encode() in data] == ["token"]
    assert "127.0.0.77" not in server.errors + metrics
    assert token not in metrics
