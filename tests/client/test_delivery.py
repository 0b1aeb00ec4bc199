"""Delivery from real processes, while collectors, clocks and users do what they do."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from askfirst.client import dotfile, queue, spawn
from askfirst.contract.event import now_ms
from askfirst.usual import LONGEST_PAUSE_MS
from tests.client.program import NO_SELECTED
from tests.client.receiving import silence, where
from tests.client.terminal import PATIENCE_S
from tests.collector.serving import servers, wait_until
from tests.ending import opened

if TYPE_CHECKING:
    from tests.client.receiving import Receiver
    from tests.client.tool import Tool
    from tests.collector.serving import Server

DAY_MS = 86_400_000
# runs the tool's own program many times, in processes that overlap with those of others; half of
# the times, if there are several, when it is told to
MANY = """
import subprocess, sys
count = int(sys.argv[1])
for number in range(count):
    if count > 1 and number == count // 2:
        sys.stdin.readline()
    done = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\\n", ""), done
"""


def many(tool: Tool, count: int, env: dict[str, str]) -> subprocess.Popen[str]:
    """Begin to run a tool `count` times, one after another."""
    return subprocess.Popen(
        [sys.executable, "-c", MANY, str(count), *tool.argv()],
        env={**tool.env, **env},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Wait for all; return what they complained of."""
    return [process.communicate(timeout=3 * PATIENCE_S)[1] for process in processes]


def files_open_in(pid: int) -> set[str]:
    """The files that a living process has open; it may close one while they are looked at."""
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(path))
    return found


def test_first_runs_at_the_same_time(tool: Tool, receiver: Receiver) -> None:
    """64 runs of which each makes the folder: every event once."""
    queue.purge(str(tool.state))
    processes = [many(tool, 1, receiver.env) for _ in range(64)]
    assert ended(processes) == [""] * 64
    tool.settle()
    assert receiver.posts, "one of them started a sender"
    tool.delivers(receiver)
    assert len(receiver.ids) == receiver.ids.total() == 64


def test_first_answers_at_the_same_time(tool: Tool) -> None:
    """8 people-driven runs that all ask: the answers that count are one identifier's."""
    # each goes to the disk while the others wait, and who waits for too long overwrites another's
    tool.env["BEFORE"] = "from askfirst.client import lock; lock.PATIENCE = 120"
    tool.dotfile.unlink()
    terminals = [tool.terminal() for _ in range(8)]
    for terminal in terminals:
        terminal.expect(NO_SELECTED)
    for terminal in terminals:
        terminal.send("y")
    for terminal in terminals:
        terminal.expect("started")
        assert terminal.finish() == 0
    installations = {json.loads(event)["installationId"] for event in tool.queued()}
    assert len(tool.ids()) == 8
    assert len(installations) == 1
    assert [name for name in tool.files() if name.endswith(".tmp")] == []


@pytest.mark.slow
def test_a_collector_killed_half_way(tool: Tool, tmp_path: Path) -> None:
    """8 x 40 runs, each of which delivers: 320 events are stored, each once."""
    words = ("serve", "--contract", str(tool.contract_file))
    with servers(tmp_path / "collector", *words) as begin:
        server = begin()
        port = server.url.rsplit(":", 1)[1]
        env = {"ASKFIRST_COLLECTOR": server.url, "EVERY": "0"}
        tool.due()
        processes = [many(tool, 40, env) for _ in range(8)]
        wait_until(lambda: stored(server) > 60, PATIENCE_S)
        server.kill()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
        wait_until(lambda: spawn.read_schedule(str(tool.state))[1] > 0, PATIENCE_S)
        server = begin(*words, "--port", port, free=False)
        for _ in range(2):  # a failure makes it wait for a minute; here somebody tells it not to
            tool.run("telemetry", "send", **env)
            tool.due()
        assert ended(processes) == [""] * 8
        tool.settle()
        if tool.queued():
            assert tool.run("telemetry", "send", **env).returncode == 0
        wait_until(lambda: stored(server) >= 320, PATIENCE_S)
        assert stored(server) == 320
        assert queue.lost(str(tool.state)) == 0
        assert tool.queued() == []


def stored(server: Server) -> int:
    """How many events a collector has in its store; none while it is behind, and says so."""
    tomorrow = dt.datetime.now(dt.timezone.utc).date() + dt.timedelta(days=1)
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = server.call("GET", f"/v1/answers/quality?as_of={tomorrow}", headers=headers)
    return int(answer.json()["stored"]) if answer.status == 200 else 0


# -- senders ------------------------------------------------------------------------------------


def test_one_sender_at_a_time(tool: Tool, receiver: Receiver) -> None:
    """Runs that each may deliver do not gather senders behind a slow collector."""
    receiver.slow = True
    tool.due()
    tool.start(EVERY="0", **receiver.env)
    receiver.wait()
    for _ in range(10):
        tool.start(EVERY="0", **receiver.env)
    wait_until(lambda: len(tool.processes()) == 1, PATIENCE_S)
    receiver.slow = False
    receiver.answer()
    tool.settle()
    assert len(receiver.ids) == receiver.ids.total() == 11, "the last sender looks once more"


def test_one_delivery_an_hour(tool: Tool, receiver: Receiver) -> None:
    tool.due()
    tool.start(**receiver.env)
    tool.settle()
    for _ in range(9):
        tool.start(**receiver.env)
    tool.settle()
    assert len(receiver.posts) == len(receiver.ids) == 1
    assert len(tool.ids()) == 9


@pytest.mark.parametrize("days", [-3650, -30, -8, -1, 1, 3650])
def test_a_clock_that_jumps(tool: Tool, receiver: Receiver, days: int) -> None:
    """Run with a wrong clock, then a right one: no swarm of senders, and no silence.

    What is dated more than 30 days back is given up, and counted.
    """
    wrong = f"import time; own = time.time_ns; time.time_ns = lambda: own() + {days * DAY_MS}*10**6"
    tool.due()
    for _ in range(3):
        tool.start(BEFORE=wrong, **receiver.env)
    tool.settle()
    assert (days > -30) <= len(receiver.posts) <= 3
    for _ in range(3):
        tool.start(**receiver.env)
    tool.settle()
    assert len(receiver.posts) <= 6
    waits = spawn.read_schedule(str(tool.state))[0] - now_ms()
    assert waits <= LONGEST_PAUSE_MS
    tool.delivers(receiver)
    assert queue.lost(str(tool.state)) == (3 if days <= -30 else 0)
    assert receiver.ids.total() == len(receiver.ids) == 6 - queue.lost(str(tool.state))


def test_a_schedule_from_a_wrong_clock(tool: Tool, receiver: Receiver) -> None:
    """A date further off than any pause is not believed."""
    spawn.write_schedule(str(tool.state), now_ms() + 3650 * DAY_MS, 0)
    tool.start(**receiver.env)
    receiver.wait()
    tool.settle()
    assert len(receiver.ids) == 1


def test_a_large_contract(tool: Tool, receiver: Receiver) -> None:
    """Larger than one variable of the environment may be; nothing of it is in view of others."""
    fields = [
        f'[fields.f{n}]\ntreatment = "choice"\npurpose = "{"why? " * 80}"\n'
        f"values = {[f'{v:040}' for v in range(100)]}\n"
        for n in range(55)
    ]
    tool.contract_file.write_text(tool.contract_file.read_text() + "\n".join(fields))
    assert len(tool.contract().canonical()) > 200_000
    dotfile.agree(str(tool.dotfile), "1.0.0", tool.contract(), "2026-11-25")
    receiver.slow = True
    for _ in range(2):  # the second goes by what the first has remembered
        tool.due()
        tool.start(**receiver.env)
        receiver.wait()
        sender = tool.sender()
        for name in ("cmdline", "environ"):
            assert b"Tin Makers" not in (Path("/proc") / sender / name).read_bytes()
        receiver.answer()
        tool.settle()
    assert len(receiver.ids) == receiver.ids.total() == 2


def test_a_sender_ends_by_the_clock(tool: Tool) -> None:
    """A collector that never answers is given up after `MOST_SECONDS`, before the answer is."""
    code = """
import os, sys
sys.path.append(sys.argv[1])
from askfirst.client import sender
sender.MOST_SECONDS = 4
sender.main()
"""
    tool.start()
    with silence() as listening, tool.contract_file.open() as contract:
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", code, tool.env["TIN_SOURCE"]],
            env={**tool.env, **where(listening), spawn.SENDER: tool.work()},
            stdin=contract,
            check=True,
        )
        with listening.accept()[0]:
            tool.settle()
    assert len(tool.queued()) == 1
    assert spawn.read_schedule(str(tool.state))[1] == 0, "it had no time to note a failure"


# -- off and erase ------------------------------------------------------------------------------


def queue_many(tool: Tool, count: int) -> None:
    """Queue events by the hundred: one is recorded, the others are like it."""
    tool.start()
    digest, event = queue.waiting(str(tool.state))[0]
    own = event[7:43]
    for number in range(1, count):
        queue.append(str(tool.state), digest, event.replace(own, b"%s%04d" % (own[:32], number)))


def test_off_while_a_sender_runs(tool: Tool, receiver: Receiver) -> None:
    """It ends before its next batch, and leaves no folder."""
    receiver.slow = True
    queue_many(tool, 500)
    tool.due()
    tool.start(**receiver.env)
    receiver.wait()
    assert tool.run("telemetry", "off").returncode == 0
    assert tool.kept() == [".tin"]
    receiver.answer()
    tool.settle()
    assert len(receiver.posts) == 1
    assert tool.kept() == [".tin"]
    assert not tool.state.exists()


def test_off_and_on_while_a_sender_runs(tool: Tool, receiver: Receiver) -> None:
    """The Yes that follows is another installation's: nothing recorded before it is sent."""
    receiver.slow = True
    queue_many(tool, 500)
    tool.due()
    tool.start(**receiver.env)
    receiver.wait()
    tool.run("telemetry", "off")
    tool.run("telemetry", "on")
    tool.start(**receiver.env)
    receiver.wait()  # for the new installation's own sender
    receiver.answer()
    receiver.answer()
    tool.settle()
    batches = [body["events"] for _, body in receiver.posts]
    assert [len(batch) for batch in batches] == [200, 1]
    assert batches[0][0]["installationId"] != batches[1][0]["installationId"]
    assert tool.queued() == []


def collected_by(tool: Tool, receiver: Receiver) -> None:
    """Have the contract itself name a collector: what stands in for it confirms no erasure."""
    tool.declare("http://127.0.0.1:9", receiver.env["ASKFIRST_COLLECTOR"])


def test_erase_with_a_collector_that_is_down_and_then_up(tool: Tool, receiver: Receiver) -> None:
    """It is asked for until it is confirmed, by whatever run comes; nothing is recorded meanwhile."""
    collected_by(tool, receiver)
    tool.start()
    installation = json.loads(tool.queued()[0])["installationId"]
    receiver.status = 503
    done = tool.run("telemetry", "erase")
    assert done.returncode == 1
    assert "has not confirmed" in done.stderr
    assert dotfile.read(str(tool.dotfile)).erasing == installation
    receiver.status = 200
    tool.start()
    tool.settle()
    assert dotfile.read(str(tool.dotfile)).erasing == installation, "not before the pause is over"
    tool.due()
    tool.start()
    tool.settle()
    assert dotfile.read(str(tool.dotfile)).erasing == ""
    assert {path for path, _ in receiver.posts} == {"/v1/erasures"}
    assert {body["installationId"] for _, body in receiver.posts} == {installation}
    assert tool.kept() == [".tin"]
    assert not tool.state.exists()


def test_erase_while_a_sender_runs(tool: Tool, receiver: Receiver) -> None:
    """It waits for the batch under way: one that came after the erasure would stay for good."""
    collected_by(tool, receiver)
    receiver.slow = True
    tool.due()
    tool.start()
    receiver.wait()
    lock = tool.state / "sender.lock"
    held = lock.stat().st_ino
    with opened(
        tool.argv("telemetry", "erase"), env=tool.env, stdout=subprocess.PIPE, text=True
    ) as erase:
        wait_until(lambda: str(lock) in files_open_in(erase.pid), PATIENCE_S)
        assert lock.stat().st_ino == held, "it waits for the same lock"
        assert [path for path, _ in receiver.posts] == ["/v1/events"]
        receiver.slow = False
        receiver.answer()
        assert "is deleted, and telemetry is off" in erase.communicate(timeout=PATIENCE_S)[0]
    tool.settle()
    assert [path for path, _ in receiver.posts] == ["/v1/events", "/v1/erasures"]
    assert tool.kept() == [".tin"]


@pytest.mark.slow
def test_erase_on_a_closed_port(tool: Tool, receiver: Receiver) -> None:
    """The contract's own collector is down; a second `erase`, when it is up, confirms."""
    tool.start()
    assert tool.run("telemetry", "erase").returncode == 1
    collected_by(tool, receiver)
    done = tool.run("telemetry", "erase")
    assert (done.returncode, done.stdout.count("deleted")) == (0, 1)
    assert tool.kept() == [".tin"]
