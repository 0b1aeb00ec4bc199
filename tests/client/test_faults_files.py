"""Files of the client as a machine, a user or a newer version left them."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from askfirst.client import queue
from askfirst.client.sender import Answer, Sender

if TYPE_CHECKING:
    from tests.client.receiving import Receiver
    from tests.client.tool import Tool

UUID = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"
GARBAGE = bytes(range(256)) * 20
HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def make(kind: str, path: Path) -> None:
    """Put something in the place of a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    old = path.read_bytes() if path.is_file() else b""
    path.unlink(missing_ok=True)
    aside = path.with_name("aside")
    if kind == "folder":
        (path / "inside").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "huge":
        with path.open("wb") as file:
            file.truncate(100_000_000)
    elif kind == "link":
        aside.write_bytes(old)
        path.symlink_to(aside)
    elif kind == "dangling link":
        path.symlink_to(aside)
    elif kind == "link to itself":
        path.symlink_to(path)
    else:
        path.write_bytes({"empty": b"", "garbage": GARBAGE}[kind])


KINDS = ("empty", "garbage", "huge", "folder", "pipe", "link", "dangling link", "link to itself")


@pytest.mark.parametrize("kind", KINDS)
def test_a_dotfile_that_is_none(tool: Tool, kind: str) -> None:
    """Without a readable Yes nothing is recorded, and it is not hung up on; a link is followed."""
    make(kind, tool.dotfile)
    tool.start()
    assert len(tool.queued()) == (kind == "link")
    assert tool.run("telemetry").returncode == 0
    done = tool.run("telemetry", "on")
    if kind == "folder":  # of the host program itself, perhaps
        assert (done.returncode, done.stdout) == (1, "")
        assert "Is a directory" in done.stderr
        assert (tool.dotfile / "inside").is_dir()
        return
    moved = kind in ("garbage", "huge", "pipe", "link to itself")
    said = f"{tool.dotfile} could not be read; it is {tool.dotfile}.unreadable now.\n"
    assert (done.returncode, done.stderr) == (0, said * moved)
    assert os.path.lexists(f"{tool.dotfile}.unreadable") == moved
    tool.start()
    assert len(tool.queued()) == 1 + (kind == "link")
    assert tool.dotfile.is_symlink() == (kind in ("link", "dangling link"))


YES = {"sendTelemetry": True}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        "{",
        '{"versions": {"1.0.0": {"sendTelemetry": true}}',
        "[" * 100_000,
        '{"a":' * 100_000,
        '"\\ud800"',
        json.dumps({"installationId": UUID, "versions": [YES]}),
        json.dumps({"installationId": UUID, "versions": {"1.0.0": True}}),
        json.dumps({"installationId": UUID, "versions": {"1.0.0": {"sendTelemetry": "true"}}}),
        json.dumps({"installationId": UUID, "versions": {"1.0.0": {"sendTelemetry": 1}}}),
        json.dumps({"installationId": [UUID], "versions": {"1.0.0": YES}}),
        json.dumps({"format": 2, "consent": {"state": "granted"}}),
        "\ufeff" + json.dumps({"installationId": UUID, "versions": {"1.0.0": YES}}),
        "\0" * 300,
    ],
    ids=lambda text: text[:30],
)
def test_a_dotfile_with_something_else_in_it(tool: Tool, text: str) -> None:
    """What is no Yes is none."""
    tool.dotfile.write_text(text)
    tool.start()
    assert tool.queued() == []
    assert tool.dotfile.read_text() == text
    assert tool.run("telemetry").returncode == 0


def test_a_dotfile_of_a_newer_version(tool: Tool, receiver: Receiver) -> None:
    """What it does not know it leaves there; a Yes that it does understand holds."""
    said = tool.answers()
    said["versions"]["1.0.0"]["decidedBy"] = {"name": "a later askfirst"}
    said["versions"]["9.0.0-next"] = [1, 2, 3]
    said["format"] = 7
    tool.dotfile.write_text(json.dumps(said))
    tool.start()
    tool.delivers(receiver)
    assert len(receiver.ids) == 1
    assert tool.run("telemetry", "off").returncode == 0
    after = tool.answers()
    assert after["format"] == 7
    assert after["versions"]["9.0.0-next"] == [1, 2, 3]
    assert after["versions"]["1.0.0"]["sendTelemetry"] is False


# each is put in the place of a file, after an event was recorded and before another one is
@pytest.mark.parametrize("kind", ["garbage", "folder", "pipe", "link", "link to itself"])
@pytest.mark.parametrize(
    "name", ["queue", "sending", "schedule", "sender.lock", "sent.log", "lost", "remembered"]
)
def test_a_file_of_ours_that_is_something_else(
    tool: Tool, receiver: Receiver, name: str, kind: str
) -> None:
    """It costs at most what was in it: later events are delivered, once, and `off` clears all."""
    tool.start()
    first = set(tool.ids())
    path = tool.state / name
    make(kind, path)
    aside = tool.state / "aside"
    before = aside.read_bytes() if aside.exists() else None
    tool.start(**receiver.env)
    tool.settle()
    assert tool.run("telemetry").returncode == 0
    tool.delivers(receiver)
    assert max(receiver.ids.values()) == 1
    assert len(receiver.ids) == 2 - (name == "queue"), "the first is lost with its queue only"
    assert first <= set(receiver.ids) or name == "queue"
    if before is not None and name in ("queue", "sending", "schedule", "sender.lock", "lost"):
        assert aside.read_bytes() == before, "a link is not followed"
    queue.purge(str(tool.state))
    assert tool.kept() == [".tin"]


@pytest.mark.parametrize("kind", ["garbage", "dangling link", "link to itself", "pipe"])
def test_a_state_folder_that_is_none(tool: Tool, kind: str) -> None:
    """Nothing can be kept; `status` says so, and when it is gone recording goes on."""
    queue.purge(str(tool.state))
    make(kind, tool.state)
    tool.start()
    status = tool.run("telemetry")
    assert status.returncode == 0
    assert "nothing can be written in" in status.stdout
    tool.state.unlink()
    tool.start()
    assert len(tool.queued()) == 1


def test_a_queue_cut_anywhere(tool: Tool) -> None:
    """At every byte: what is whole is sent, once; what is not is counted, once."""
    for _ in range(2):
        tool.start()
    path = tool.state / "queue"
    raw = path.read_bytes()
    events = tool.queued()
    sent: list[bytes] = []

    def post(_url: str, body: bytes) -> Answer:
        sent.append(body)
        return Answer(200, {"accepted": 1, "dropped": []})

    for cut in range(len(raw) + 1):
        path.write_bytes(raw[:cut])
        (tool.state / "lost").unlink(missing_ok=True)
        sent.clear()
        assert Sender(tool.contract(), json.loads(tool.work()), {}, post).run()
        found = [event for event in events if any(event in body for body in sent)]
        assert sum(body.count(b'{"id"') for body in sent) == len(found)
        end = raw[:cut].strip(b"\n")
        torn = end != b"" and not end.endswith(tuple(events))
        assert queue.lost(str(tool.state)) == torn, cut
        assert found == [event for event in events if event in raw[:cut]]


def test_a_held_queue(tool: Tool, receiver: Receiver) -> None:
    """Whoever was stopped with its lock costs nobody an event; what it holds is sent when it ends."""
    tool.start()
    with (tool.state / "queue").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        tool.start()
        tool.start()
    tool.delivers(receiver)
    assert len(receiver.ids) == receiver.ids.total() == 3


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL])
def test_a_held_sender_lock(tool: Tool, receiver: Receiver, number: int) -> None:
    """A stopped holder delays deliveries, a dead one does not; no run waits for either."""
    tool.start()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tool.state / "sender.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    holder.send_signal(number)
    if number == signal.SIGKILL:
        holder.wait()
    tool.due()
    tool.start(EVERY="0", **receiver.env)
    tool.settle()
    assert len(receiver.ids) == (2 if number == signal.SIGKILL else 0)
    holder.kill()
    holder.communicate()
    tool.start(EVERY="0", **receiver.env)
    tool.settle()
    assert len(receiver.ids) == receiver.ids.total() == 3


def test_files_without_a_bound_get_none(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be locked the number of files is bounded, and what goes is counted."""
    monkeypatch.setattr(queue, "MOST_ALONE", 10)
    monkeypatch.setattr(fcntl, "flock", lambda fd, how: (_ for _ in ()).throw(OSError(37, "none")))
    for number in range(25):
        queue.append(str(tool.state), "sha256:" + "0" * 64, b'{"id":"%04d"}' % number)
    kept = [int(event[7:11]) for event in tool.queued()]
    assert len(kept) <= 10
    assert kept == list(range(25 - len(kept), 25))
    assert queue.lost(str(tool.state)) == 25 - len(kept)


def test_a_state_folder_from_before_an_off(tool: Tool, receiver: Receiver) -> None:
    """Restored from a backup, say: what was revoked is not sent by a later Yes."""
    tool.start()
    raw = (tool.state / "queue").read_bytes()
    tool.run("telemetry", "off")
    tool.run("telemetry", "on")
    tool.state.mkdir(parents=True)
    (tool.state / "queue").write_bytes(raw)
    tool.not_due()
    tool.start()
    tool.delivers(receiver)
    assert len(receiver.ids) == 1
    identifier = next(iter(receiver.ids))
    assert identifier.encode() not in raw
