"""Workers: several processes at one door, counted together, and each one replaceable."""

from __future__ import annotations

import datetime as dt
import fcntl
import http.client
import json
import os
import re
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from askfirst.collector.watermark import Watermark
from tests.collector import serving
from tests.collector.retrying import (
    check_stored,
    clients,
    free_port,
    log_bytes,
    start_on,
    stopped,
    stored_ids,
    workers_of,
)
from tests.collector.serving import CONTRACT, Server, make_event, servers, wait_until

Start = Callable[..., Server]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def words(contract_file: Path) -> tuple[str, ...]:
    return ("serve", "--contract", str(contract_file), "--workers", "2")


@pytest.fixture
def begin(home: Path, words: tuple[str, ...]) -> Iterator[Start]:
    with servers(home, *words) as start:
        yield start


def store_of(home: Path) -> Path:
    return home / "data" / "askfirst" / "askfirst.duckdb"


def log_of(home: Path) -> Path:
    return home / "data" / "askfirst" / "askfirst.duckdb-log"


def metric(server: Server, name: str) -> int:
    """Return a counter's sum over all labels."""
    text = server.call("GET", "/metrics").body.decode()
    return sum(int(n) for n in re.findall(rf"^{name}(?:{{.*}})? (\d+)$", text, re.MULTILINE))


def counts(server: Server, name: str, number: int) -> None:
    """Wait until a counter says so: a worker that is kept waiting is left out for a moment."""
    wait_until(lambda: metric(server, name) == number)


def stored(server: Server) -> int:
    """Ask how many events there are, which waits for all that were accepted."""
    today = dt.datetime.now(dt.timezone.utc).date()
    return int(server.answer(f"quality?as_of={today}")["stored"])


def post(server: Server, tool: str = "stratus", number: int = 1) -> None:
    """Deliver good events on a connection of its own."""
    events = [make_event() for _ in range(number)]
    answer = server.call("POST", "/v1/events", {"tool": tool, "events": events})
    assert (answer.status, answer.json()["accepted"]) == (200, number)


def post_to_both(server: Server, home: Path, least: int = 40) -> int:
    """Deliver events, many at once, until both workers had some; return how many were taken."""
    marks = [Watermark(log_of(home) / name) for name in ("1", "2")]
    before = [mark.get() for mark in marks]
    sent = 0
    while sent < least or any(mark.get() == old for mark, old in zip(marks, before, strict=True)):
        threads = [threading.Thread(target=post, args=(server,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent += len(threads)
        assert sent < 5_000, "one of the workers never has any"
    return sent


@pytest.mark.slow
def test_every_answer_sees_what_any_worker_accepted_just_before(begin: Start, home: Path) -> None:
    server = begin()
    sent = post_to_both(server, home)
    assert stored(server) == sent
    for number in range(100):
        post(server)
        assert stored(server) == sent + number + 1


@pytest.mark.slow
def test_what_all_workers_take_is_counted_once_in_the_metrics(begin: Start, home: Path) -> None:
    server = begin()
    sent = post_to_both(server, home)
    stored(server)
    counts(server, "askfirst_events_accepted_total", sent)
    counts(server, "askfirst_events_stored_total", sent)
    assert metric(server, "askfirst_commit_seconds_count") <= sent
    text = server.call("GET", "/metrics").body.decode()
    row = f'askfirst_requests_total{{route="/v1/events",status="200"}} {sent}'
    assert row in text.splitlines()


@pytest.mark.slow
def test_a_worker_that_dies_is_started_again_and_no_counter_goes_up_or_back(
    begin: Start, home: Path
) -> None:
    server = begin()
    sent = post_to_both(server, home)
    first = workers_of(server)
    counts(server, "askfirst_events_accepted_total", sent)
    for number, victim in enumerate(first):
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda n=number: server.errors.count("it is started again") == n + 1)
        seen: list[int] = []  # at many moments of its absence

        def look_until_it_is_back(seen: list[int] = seen) -> bool:
            seen.append(metric(server, "askfirst_events_accepted_total"))
            return len(workers_of(server)) == 2 and len(seen) > 5

        wait_until(look_until_it_is_back)
        assert set(seen) == {sent}
    wait_until(lambda: not set(workers_of(server)) & set(first))
    more = post_to_both(server, home)
    counts(server, "askfirst_events_accepted_total", sent + more)
    assert stored(server) == sent + more
    assert "Traceback" not in server.errors


def answer_of_either(server: Server, target: str) -> bytes:
    """Return the first of many answers: a worker that is stopped keeps its connections waiting,
    and one that is ended breaks them off.
    """
    with ExitStack() as stack:
        asking: list[http.client.HTTPConnection] = []
        for connection in (server.connect() for _ in range(16)):
            stack.callback(connection.close)
            with suppress(ConnectionError):
                connection.request("GET", target)
                asking.append(connection)
        while True:
            ready, _, _ = select.select([row.sock for row in asking], [], [], serving.DEADLINE)
            connection = next(row for row in asking if row.sock in ready)
            asking.remove(connection)
            with suppress(ConnectionError, http.client.IncompleteRead):
                return connection.getresponse().read()


def is_ready(server: Server) -> bool:
    """Ask whether all workers take events."""
    return bool(json.loads(answer_of_either(server, "/health/ready"))["ready"])


def says_not_ready(server: Server) -> bool:
    """Ask the same in both ways there are."""
    return not is_ready(server) and b"\naskfirst_ready 0\n" in answer_of_either(server, "/metrics")


@contextmanager
def locked(path: Path, process: int) -> Iterator[None]:
    """Kill the process that holds a lock, and hold it in its place."""
    with path.open("rb") as file:
        waiting = threading.Thread(target=fcntl.flock, args=(file, fcntl.LOCK_EX))
        waiting.start()
        wait_until(lambda: waits_for_a_lock(os.getpid()))  # so that it is the next to have it
        os.kill(process, signal.SIGKILL)
        waiting.join(serving.DEADLINE)
        assert not waiting.is_alive()
        yield


def waits_for_a_lock(process: int) -> bool:
    """Tell whether a process stands in the line for a lock of another."""
    waiting = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(row[1] == "->" and row[5] == str(process) for row in waiting)


@pytest.mark.slow
def test_it_is_ready_only_while_every_worker_answers(begin: Start, home: Path) -> None:
    server = begin()
    _, first = workers_of(server)  # the youngest stands first
    wait_until(lambda: is_ready(server))
    before = server.errors.count("a worker does not answer")
    with stopped(first):
        assert says_not_ready(server)
        wait_until(lambda: server.errors.count("a worker does not answer") > before)
    assert server.errors.count("a worker does not answer") == before + 1
    wait_until(lambda: is_ready(server))
    with locked(log_of(home) / "1" / "lock", first):
        wait_until(lambda: "worker 1 is still missing" in server.errors)
        assert says_not_ready(server)
    wait_until(lambda: is_ready(server))


@pytest.mark.slow
@pytest.mark.parametrize("nonsense", ["7", "[['x' * 17_000_000, [], 0]]"], ids=["wrong", "endless"])
def test_a_worker_that_talks_nonsense_is_ended_and_started_again(
    begin: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nonsense: str
) -> None:
    once = tmp_path / "once"
    once.touch()
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, sys\n"
        "from askfirst.collector.metrics import Metrics\n"
        "if 'askfirst.collector.worker' in sys.orig_argv:\n"
        "    try:\n"
        f"        pathlib.Path({str(once)!r}).unlink()\n"
        f"        Metrics.counts = lambda _: {nonsense}\n"
        "    except FileNotFoundError:\n"
        "        pass\n"
    )
    usual = serving.environment

    def environment(home: Path) -> dict[str, str]:
        found = usual(home)
        return found | {"PYTHONPATH": f"{tmp_path}:{found['PYTHONPATH']}"}

    monkeypatch.setattr(serving, "environment", environment)
    server = begin()
    answer_of_either(server, "/metrics")  # for which all are asked to count
    wait_until(lambda: "it is started again" in server.errors)
    assert "it is ended" in server.errors  # which was said before
    wait_until(lambda: is_ready(server))
    post(server)


@pytest.mark.slow
def test_a_dying_worker_loses_nothing(home: Path, words: tuple[str, ...]) -> None:
    port = free_port()
    with servers(home) as begin, clients(port, 6) as running:
        server = start_on(begin, port, *words)
        for number in range(4):
            wanted = sum(client.batches for client in running) + 20
            wait_until(lambda n=wanted: sum(client.batches for client in running) >= n)
            os.kill(workers_of(server)[number % 2], signal.SIGKILL)
            wait_until(lambda n=number: server.errors.count("it is started again") == n + 1)
            wait_until(lambda: len(workers_of(server)) == 2)
        for client in running:
            client.finish()
        assert server.stop() == 0
    assert check_stored(store_of(home), running)


@pytest.mark.slow
def test_a_start_with_fewer_workers_loads_what_the_others_left(
    begin: Start, home: Path, words: tuple[str, ...]
) -> None:
    server = begin()
    before = post_to_both(server, home)
    with stopped(server.process.pid):  # nothing is loaded from here on
        late = post_to_both(server, home)
        server.process.kill()
    server.wait()
    assert log_bytes(log_of(home) / "1") > 0
    assert log_bytes(log_of(home) / "2") > 0
    alone = begin(*words[:-1], "1")
    assert workers_of(alone) == []
    assert stored(alone) == before + late
    assert alone.stop() == 0
    assert log_bytes(log_of(home)) == 0
    assert len(set(stored_ids(store_of(home)))) == before + late


def test_a_request_that_a_worker_has_begun_is_answered_when_it_is_told_to_stop(
    begin: Start, home: Path
) -> None:
    server = begin()
    body = json.dumps({"tool": "stratus", "events": [make_event()]}).encode()
    waiting = [server.connect() for _ in range(6)]
    for connection in waiting:
        connection.putrequest("POST", "/v1/events")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        with connection.sock.makefile("rb") as said:
            assert said.readline() == b"HTTP/1.1 100 Continue\r\n"  # it has been begun
            assert said.readline() == b"\r\n"
        connection.send(body[:10])
    for process in (server.process.pid, *workers_of(server)):  # as a service manager does
        os.kill(process, signal.SIGTERM)
    wait_until(lambda: refuses(server))
    for connection in waiting:
        connection.send(body[10:])
        response = connection.getresponse()
        assert (response.status, json.loads(response.read())["accepted"]) == (200, 1)
        connection.close()
    assert server.wait() == 0
    assert stored_ids(store_of(home)) == [json.loads(body)["events"][0]["id"]]


def refuses(server: Server) -> bool:
    connection = server.connect()
    try:
        connection.connect()
    except (OSError, http.client.HTTPException):
        return True
    else:
        return False
    finally:
        connection.close()


def has_ended(process: int) -> bool:
    """Tell whether a process is gone, or waits only to be taken off the system's list."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return "State:\tZ" in status


@pytest.mark.slow
@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_by_themselves_when_the_collector_is_killed(
    home: Path, words: tuple[str, ...], busy: bool
) -> None:
    """Even with a client that never finishes what it sends; the next collector gets the port."""
    port = free_port()
    with servers(home) as begin:
        server = start_on(begin, port, *words)
        post(server)
        orphans = workers_of(server)
        assert len(orphans) == 2
        with socket.create_connection(("127.0.0.1", port)) as slow:
            if busy:
                slow.sendall(b"POST /v1/events HTTP/1.1\r\nContent-Length: 100\r\n")
                wait_until(lambda: metric(server, "askfirst_connections") >= 2)  # one asks
            server.process.kill()
            server.process.wait()
            second = start_on(begin, port, *words)
            wait_until(lambda: all(map(has_ended, orphans)))
            post(second)
            assert stored(second) == 2


def test_a_hangup_meant_for_all_processes_ends_none(begin: Start) -> None:
    server = begin()
    before = workers_of(server)
    for process in (server.process.pid, *before):
        os.kill(process, signal.SIGHUP)
    post(server)
    counts(server, "askfirst_events_accepted_total", 1)
    assert workers_of(server) == before
    assert server.stop() == 0
    ours = [line for line in server.lines if "worker" in line]
    assert [line for line in ours if "does not answer" not in line] == []  # as where much is done


@pytest.mark.slow
def test_what_workers_count_for_many_tools_gets_through(
    begin: Start, home: Path, words: tuple[str, ...], tmp_path: Path
) -> None:
    """A worker says what it counts in one line, here of more than 64 KiB."""
    names = [f"tool-{number:03d}-with-a-long-name" for number in range(150)]
    for name in names:
        text = CONTRACT.replace('name = "stratus"', f'name = "{name}"')
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / name) for name in names]
    server = begin("serve", "--workers", "2", "--contract", *files)
    old, ahead = 1_000_000_000_000, 9_000_000_000_000
    events = [
        make_event(),
        make_event(cli={"version": "3.1.2", "command": "other"}),
        make_event(other="x"),
        make_event(runtime=7),
        make_event(timestamp=old),
        make_event(timestamp=ahead),
    ]
    for name in names * 4:  # so that each worker has nearly all of them
        answer = server.call("POST", "/v1/events", {"tool": name, "events": events})
        assert (answer.status, len(answer.json()["dropped"])) == (200, 5)
    counts(server, "askfirst_events_accepted_total", 4 * len(names))
    counts(server, "askfirst_events_dropped_total", 20 * len(names))
    assert "Traceback" not in server.errors


def test_connections_are_dealt_out_to_all(begin: Start, home: Path) -> None:
    server = begin()
    before = [Watermark(log_of(home) / name).get() for name in "12"]
    for _ in range(40):  # all at one would be chance once in 2**39
        post(server)
    after = [Watermark(log_of(home) / name).get() for name in "12"]
    assert all(then < now for then, now in zip(before, after, strict=True))
    assert stored(server) == 40
