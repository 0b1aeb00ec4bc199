from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from askfirst.client import dotfile, log, queue, sender, spawn
from askfirst.client.sender import OLDEST_MS, Answer, Sender, utc
from askfirst.client.spawn import collector_url
from askfirst.contract.event import form, new_id, now_ms
from askfirst.contract.loading import parse
from tests.contract.test_loading import GOOD

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.client.receiving import Receiver
    from tests.client.tool import Tool

CONTRACT = parse(GOOD)
OLDER = "sha256:" + "0" * 64
TAKEN = Answer(200, {"accepted": 1, "dropped": []})


class Case:
    """One tool on one machine, with a collector that says what the test tells it to."""

    def __init__(self, home: Path) -> None:
        self.dotfile = str(home / ".stratus")
        self.folder = str(home / "state" / "askfirst" / "stratus")
        self.posts: list[tuple[str, bytes]] = []
        self.said: list[str] = []
        self.answers: list[Answer] = []
        self.during: Callable[[], None] = lambda: None
        self.agree()

    def agree(self) -> None:
        dotfile.agree(self.dotfile, "1.4.0", CONTRACT, "2026-11-25")

    def event(self, at: int | None = None) -> bytes:
        at = now_ms() if at is None else at
        uuid = dotfile.read(self.dotfile).installation
        return form(
            CONTRACT,
            command="start",
            version="1.4.0",
            installation=uuid,
            values={},
            id=new_id(at),
            timestamp=at,
        ).encode()

    def queue(self, count: int, digest: str = CONTRACT.digest) -> list[bytes]:
        events = [self.event() for _ in range(count)]
        for event in events:
            queue.append(self.folder, digest, event)
        return events

    def sender(self, env: dict[str, str] | None = None) -> Sender:
        work = {
            "version": "1.4.0",
            "dotfile": self.dotfile,
            "folder": self.folder,
            "deliver_every": 3600,
        }
        return Sender(CONTRACT, work, env or {}, self.post, self.said.append)

    def post(self, url: str, body: bytes) -> Answer:
        self.posts.append((url, body))
        self.during()
        return self.answers.pop(0) if self.answers else TAKEN

    def waiting(self) -> list[bytes]:
        return [event for _, event in queue.waiting(self.folder)]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_what_was_queued_is_what_is_sent_byte_for_byte(case: Case) -> None:
    events = case.queue(3)
    assert case.sender().run()
    [(url, body)] = case.posts
    assert url == "https://telemetry.example.org/v1/events"
    head = f'{{"tool":"stratus","contract":"{CONTRACT.digest}","events":['.encode()
    assert body == head + b",".join(events) + b"]}"
    assert case.waiting() == []
    assert [row.split(" ", 2)[1:] for row in log.read(case.folder).splitlines()] == [
        ["200", event.decode()] for event in events
    ]


def test_large_queues_go_in_batches_by_contract(case: Case) -> None:
    case.queue(250)
    case.queue(2, OLDER)
    case.queue(1)
    assert case.sender().run()
    sizes = [
        (json.loads(body)["contract"], len(json.loads(body)["events"])) for _, body in case.posts
    ]
    assert sizes == [(CONTRACT.digest, 200), (CONTRACT.digest, 51), (OLDER, 2)]


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_what_will_never_be_accepted_is_forgotten(case: Case, status: int) -> None:
    case.queue(2)
    case.answers = [Answer(status, {"error": "no"})]
    assert case.sender().run()
    assert case.waiting() == []
    assert f" {status} " in log.read(case.folder)


@pytest.mark.parametrize("body", [None, [], "accepted", {}, {"ok": True}, {"erased": 1}])
@pytest.mark.parametrize("status", [200, 400, 404, 413, 415, 422])
def test_what_no_collector_said_settles_nothing(case: Case, status: int, body: object) -> None:
    """A proxy's page, or whoever has the domain now: the events wait for the collector."""
    events = case.queue(2)
    case.answers = [Answer(status, body)]
    assert not case.sender().run()
    assert case.waiting() == events
    outcome = "200-not-understood" if status == 200 else str(status)
    assert [row.split(" ")[1] for row in log.read(case.folder).splitlines()] == [outcome] * 2
    assert spawn.read_schedule(case.folder)[1] == 1
    assert f"answered {status}" in case.said[-1]


@pytest.mark.parametrize("body", [None, "erased", {}, {"accepted": 1, "dropped": []}])
def test_what_no_collector_said_confirms_no_erasure(case: Case, body: object) -> None:
    case.queue(1)
    dotfile.refuse(case.dotfile, "1.4.0", "2026-11-25", revoked=True, erasing=True)
    installation = dotfile.read(case.dotfile).erasing
    case.answers = [Answer(200, body), Answer(404, {"error": "unknown tool"})]
    for _ in case.answers.copy():
        assert not case.sender().run()
        assert dotfile.read(case.dotfile).erasing == installation
    assert "answered 200, but not as a collector does;" in case.said[0]
    assert "answered 404;" in case.said[1]


@pytest.mark.parametrize("status", [0, 301, 401, 408, 429, 500, 502, 503, 599])
def test_what_may_be_accepted_later_is_kept(case: Case, status: int) -> None:
    events = case.queue(2)
    case.answers = [Answer(status)]
    before = now_ms()
    assert not case.sender().run()
    after = now_ms()
    assert case.waiting() == events
    next_at, failures = spawn.read_schedule(case.folder)
    assert failures == 1
    assert before + 30_000 <= next_at <= after + 90_000
    assert "kept and tried again later" in case.said[-1]


def test_pauses_grow_and_end(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.queue(1)
    case.answers = [Answer(503) for _ in range(20)]
    monkeypatch.setattr(sender, "now_ms", lambda: 1_795_417_883_502)
    pauses = []
    for _ in range(20):
        assert not case.sender().run()
        pauses.append(spawn.read_schedule(case.folder)[0] - 1_795_417_883_502)
    assert pauses[3] > pauses[0]
    assert max(pauses) <= 1.5 * 86_400_000
    assert min(pauses[12:]) >= 0.5 * 86_400_000
    assert case.sender().run()
    assert spawn.read_schedule(case.folder)[1] == 0


def test_retry_after_is_honoured(case: Case) -> None:
    case.queue(1)
    case.answers = [Answer(429, retry_after=7200)]
    before = now_ms()
    case.sender().run()
    assert before <= spawn.read_schedule(case.folder)[0] - 7_200_000 <= now_ms()


def test_after_a_failure_in_the_middle_the_rest_is_kept(case: Case) -> None:
    events = case.queue(250)
    case.answers = [TAKEN, Answer(503)]
    assert not case.sender().run()
    assert case.waiting() == events[200:]
    assert case.sender().run()
    assert case.waiting() == []


def test_what_a_killed_sender_left_is_sent_first(case: Case) -> None:
    first = case.queue(1)
    queue.take(case.folder)
    second = case.queue(1)
    assert case.sender().run()
    sent = [json.loads(body)["events"][0]["id"] for _, body in case.posts]
    assert sent == [json.loads(event)["id"] for event in first + second]


def test_off_stops_a_sender_that_runs_and_leaves_nothing(case: Case) -> None:
    """`off` between the request and the answer: no second batch, and no file in the folder."""
    case.queue(250)

    def off() -> None:
        dotfile.refuse(case.dotfile, "1.4.0", "2026-11-25", revoked=True)
        queue.purge(case.folder)

    case.during = off
    assert not case.sender().run()
    assert len(case.posts) == 1
    assert not os.path.exists(case.folder)


@pytest.mark.parametrize("name", ["CI", "DO_NOT_TRACK"])
def test_the_environment_stops_a_sender(case: Case, name: str) -> None:
    case.queue(1)
    assert not case.sender({name: "1"}).run()
    assert case.posts == []


def test_two_senders_do_not_run_at_once(case: Case) -> None:
    case.queue(1)
    second: list[bool] = []
    case.during = lambda: second.append(case.sender().run())
    assert case.sender().run()
    assert second == [False]
    assert len(case.posts) == 1
    assert "another delivery is running" in case.said[0]


def test_events_past_their_age_and_torn_lines_are_counted(case: Case) -> None:
    queue.append(case.folder, CONTRACT.digest, case.event(now_ms() - OLDEST_MS - 1000))
    kept = case.queue(1)
    with open(os.path.join(case.folder, "queue"), "ab") as file:
        file.write(b"\nsha256:torn")
    assert case.sender().run()
    assert [json.loads(body)["events"] for _, body in case.posts] == [[json.loads(kept[0])]]
    assert queue.lost(case.folder) == 2


def test_what_is_too_old_goes_though_nothing_can_be_delivered(case: Case) -> None:
    """The notice promises that nothing lies on a machine for longer than 30 days."""
    old = case.event(now_ms() - OLDEST_MS - 1000)
    queue.append(case.folder, CONTRACT.digest, old)
    young = case.queue(1)
    case.answers = [Answer(503), Answer(503)]
    for _ in range(2):
        assert not case.sender().run()
        assert case.waiting() == young
        assert queue.lost(case.folder) == 1
    found = [path.read_bytes() for path in Path(case.folder).iterdir()]
    assert not any(old in raw for raw in found)


def test_an_erasure_is_sent_until_it_is_confirmed(case: Case) -> None:
    case.queue(1)
    dotfile.refuse(case.dotfile, "1.4.0", "2026-11-25", revoked=True, erasing=True)
    installation = dotfile.read(case.dotfile).erasing
    case.answers = [Answer(503), Answer(200, {"erased": 4})]
    assert not case.sender().run()
    assert dotfile.read(case.dotfile).erasing == installation
    assert case.sender().run()
    assert dotfile.read(case.dotfile).erasing == ""
    assert [url for url, _ in case.posts] == ["https://telemetry.example.org/v1/erasures"] * 2
    assert json.loads(case.posts[0][1]) == {"tool": "stratus", "installationId": installation}
    assert not os.path.exists(case.folder)


def test_two_that_ask_for_the_same_erasure(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that had to wait finds it done, and asks for nothing."""
    dotfile.refuse(case.dotfile, "1.4.0", "2026-11-25", revoked=True, erasing=True)
    case.answers = [Answer(200, {"erased": 1})]
    first, second = case.sender(), case.sender()
    wait_lock = sender.wait_lock
    waited: list[float] = []

    def later(fd: int, patience: float) -> bool | None:
        waited.append(patience)
        assert len(waited) > 1 or first.run()
        return wait_lock(fd, patience)

    monkeypatch.setattr(sender, "wait_lock", later)
    assert second.run()
    assert len(waited) == 2
    assert len(case.posts) == 1


def test_with_nothing_queued_nothing_is_made(case: Case) -> None:
    assert case.sender().run()
    assert not os.path.exists(case.folder)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("", "https://telemetry.example.org"),
        ("http://127.0.0.1:8601", "http://127.0.0.1:8601"),
        ("http://localhost:8601/", "http://localhost:8601"),
        ("https://[::1]:8601", "https://[::1]:8601"),
        ("http://127.0.0.1.example.org", "https://telemetry.example.org"),
        ("http://127.0.0.1@example.org", "https://telemetry.example.org"),
        ("http://evil.example.org", "https://telemetry.example.org"),
        ("ftp://127.0.0.1", "https://telemetry.example.org"),
        ("127.0.0.1:8601", "https://telemetry.example.org"),
    ],
)
def test_only_loopback_may_stand_in_for_the_collector(given: str, used: str) -> None:
    assert collector_url(CONTRACT, {"ASKFIRST_COLLECTOR": given}) == used


def test_a_delivery_is_due_once_per_period(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert spawn.claim(folder, 1_000_000, 3_600_000)
    assert not spawn.claim(folder, 1_000_001, 3_600_000)
    assert not spawn.claim(folder, 4_599_999, 3_600_000)
    assert spawn.claim(folder, 4_600_000, 3_600_000)


@pytest.mark.parametrize("days", [7, 30])
def test_no_period_is_longer_than_a_date_that_is_believed(tmp_path: Path, days: int) -> None:
    """Else every run would start a sender, until one of them has planned the next."""
    assert spawn.claim(str(tmp_path), 1_000_000, days * 86_400_000)
    assert not spawn.claim(str(tmp_path), 1_000_001, days * 86_400_000)
    assert spawn.read_schedule(str(tmp_path))[0] == 1_000_000 + 7 * 86_400_000


def test_a_clock_that_was_wrong_does_not_stop_deliveries(tmp_path: Path) -> None:
    folder = str(tmp_path)
    spawn.write_schedule(folder, now_ms() + 40 * 365 * 86_400_000, 0)
    assert spawn.claim(folder, now_ms(), 3_600_000)
    (tmp_path / spawn.SCHEDULE).write_bytes(b"\x00garbage")
    assert spawn.claim(folder, now_ms(), 3_600_000)


def test_the_log_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    for number in range(60):
        log.append(str(tmp_path), int(time.time() * 1000), "200", [b"%05d" % number * 2000])
    text = log.read(str(tmp_path))
    assert "00059" in text
    assert "00000" not in text
    assert len(text) <= log.MOST_BYTES + 11_000


def test_what_nobody_listens_to_is_said_to_nobody(
    case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    case.queue(1)
    work = {
        "version": "1.4.0",
        "dotfile": case.dotfile,
        "folder": case.folder,
        "deliver_every": 1,
    }
    assert Sender(CONTRACT, work, {}, case.post).run()
    assert len(case.posts) == 1
    assert capfd.readouterr() == ("", "")


def test_what_is_queued_meanwhile_is_sent_too(case: Case) -> None:
    """By a process whose own sender found this one running."""
    case.queue(1)
    more: list[bytes] = []

    def queued() -> None:
        if not more:
            more.extend(case.queue(1))

    case.during = queued
    assert case.sender().run()
    assert len(case.posts) == 2
    assert more[0] in case.posts[1][1]


def test_a_queued_event_without_a_moment_is_given_up(case: Case) -> None:
    """No client of ours wrote it, and nobody could tell when it is too old."""
    own = json.loads(case.event())["installationId"]
    for moment in (b'"soon"', b"null", b"[]"):
        line = b'{"id":"1","installationId":"%s","timestamp":%s}' % (own.encode(), moment)
        queue.append(case.folder, CONTRACT.digest, line)
    queue.append(case.folder, CONTRACT.digest, b'{"id":"%s"}' % own.encode())
    assert case.sender().run()
    assert case.posts == []
    assert queue.lost(case.folder) == 4


def test_a_log_that_cannot_be_written_does_not_send_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.queue(1)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log, "append", full)
    assert case.sender().run()
    assert case.waiting() == []
    assert case.said[-1].startswith("the log of what was sent could not be written: ")


def test_the_rest_is_kept_as_it_is_where_there_is_no_room(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then a sender that fails sends again what it has sent, and the collector knows it by id."""
    events = case.queue(250)
    case.answers = [TAKEN, Answer(503)]

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert not case.sender().run()
    assert case.waiting() == events
    assert not os.path.exists(os.path.join(case.folder, "sending.tmp"))


def test_a_no_after_the_last_answer_leaves_nothing(case: Case) -> None:
    """`off` while the collector answers: what was sent is not written to a log."""
    case.queue(1)

    def off() -> None:
        dotfile.refuse(case.dotfile, "1.4.0", "2026-11-25", revoked=True)

    case.during = off
    assert not case.sender().run()
    assert case.said == ["nothing is sent: there is no consent"]
    assert not os.path.exists(case.folder)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on some network file systems."""
    import fcntl

    def refuse(_fd: int, _how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_without_locks_a_mark_keeps_others_away(case: Case, no_locks: None) -> None:
    """It is kept young while its sender lives, and gone afterwards."""
    case.queue(1)
    mark = os.path.join(case.folder, "sender.mark")
    others: list[bool] = []

    def another() -> None:
        assert time.time() - os.stat(mark).st_mtime < 60
        others.append(case.sender().run())

    case.during = another
    assert case.sender().run()
    assert others == [False]
    assert case.said[0] == "another delivery is running; try again in a minute"
    assert not os.path.exists(mark)


def test_a_mark_is_made_young_before_each_batch(case: Case, no_locks: None) -> None:
    case.queue(2)  # where nothing can be locked each waits in a file of its own
    mark = os.path.join(case.folder, "sender.mark")
    ages: list[float] = []

    def aged() -> None:
        ages.append(time.time() - os.stat(mark).st_mtime)
        os.utime(mark, (0, 0))

    case.during = aged
    assert case.sender().run()
    assert len(ages) == 2
    assert max(ages) < 60


def test_a_no_before_the_first_batch_sends_nothing(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`off` after the queue was taken."""
    case.queue(1)
    lines = queue.lines

    def off(path: str) -> tuple[list[tuple[str, bytes]], int]:
        found = lines(path)
        dotfile.refuse(case.dotfile, "1.4.0", "2026-11-25", revoked=True)
        return found

    monkeypatch.setattr(queue, "lines", off)
    assert not case.sender().run()
    assert case.posts == []
    assert not os.path.exists(case.folder)


def test_a_no_with_nothing_worth_sending_leaves_nothing(case: Case) -> None:
    """What was too old is deleted with the folder, and not counted in it."""
    queue.append(case.folder, CONTRACT.digest, case.event(now_ms() - OLDEST_MS - 1000))
    sender = case.sender({"DO_NOT_TRACK": "1"})
    assert not sender.run()
    assert case.posts == []
    assert queue.lost(case.folder) == 0, "it still waits: the variable may be gone tomorrow"
    dotfile.refuse(case.dotfile, "1.4.0", "2026-11-25", revoked=True)
    assert not sender.run()
    assert not os.path.exists(case.folder)


def test_a_moment_is_spelled_for_people() -> None:
    assert utc(1_795_417_883_502) == "2026-11-23 07:11:23 UTC"


def test_the_process_leaves_its_starter_and_holds_nothing_of_it(
    tool: Tool, receiver: Receiver
) -> None:
    """It answers the one who waits for it at once, and delivers in a session of its own.

    Started as `spawn.start` starts it, but with `site`, so that its coverage can be measured.
    """
    tool.start()
    receiver.slow = True
    mine, inherited = os.pipe()
    with open(tool.contract_file, "rb") as contract:
        started = subprocess.Popen(
            [sys.executable, "-c", spawn._START, tool.env["TIN_SOURCE"]],
            env={**tool.env, **receiver.env, spawn.SENDER: tool.work()},
            stdin=contract,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[inherited],
        )
    os.close(inherited)
    assert started.wait() == 0, "before the collector has answered"
    receiver.wait()
    assert os.read(mine, 1) == b"", "nobody has the other end any more"
    os.close(mine)
    [sender] = tool.processes()
    assert os.getsid(int(sender)) not in (os.getsid(0), started.pid)
    assert os.readlink(f"/proc/{sender}/cwd") == "/"
    assert os.readlink(f"/proc/{sender}/fd/0") == os.devnull
    receiver.answer()
    tool.settle()
    assert receiver.ids.total() == 1
    assert tool.queued() == []
