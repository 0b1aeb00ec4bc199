"""Deciding afresh, in this process: what is queued, printed, or left."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from askfirst import Telemetry
from askfirst.client import dotfile, queue, spawn
from askfirst.contract.event import now_ms
from askfirst.contract.loading import load
from tests.client.program import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

CONTRACT = PROGRAMS / "telemetry.toml"


class User:
    """Somebody who said Yes; no delivery is due, and none is started: what would be is noted."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.env = {"HOME": str(home)}
        self.dotfile = str(home / ".tin")
        self.state = home / ".local/state/askfirst/tin"
        self.started: list[bytes] = []
        dotfile.agree(self.dotfile, "1.0.0", load(CONTRACT), "2026-11-01")
        self.state.mkdir(parents=True)
        spawn.write_schedule(str(self.state), now_ms() + 3_600_000, 0)
        monkeypatch.setattr(spawn, "start", self._start)

    def _start(self, work: dict[str, object], contract: int, env: dict[str, str]) -> None:
        assert work["folder"] == str(self.state)
        assert env == self.env
        with open(contract, "rb", closefd=False) as file:
            self.started.append(file.read())

    def record(self, command: str = "start", version: str = "1.0.0", *, loud: bool = False) -> None:
        telemetry = Telemetry(str(CONTRACT), version, env=self.env)
        telemetry.verbose = loud
        telemetry.record(command, {"runtime": "3.1.0"})

    def queued(self) -> list[str]:
        return [event.decode() for _, event in queue.waiting(str(self.state))]

    def due(self) -> None:
        (self.state / spawn.SCHEDULE).unlink()


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    return User(tmp_path, monkeypatch)


def test_verbose_shows_what_is_queued_byte_for_byte(
    user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    user.record(loud=True)
    [event] = user.queued()
    said = f"telemetry: queued for http://127.0.0.1:9:\n{event}\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("env", "version", "why"),
    [
        ({"DO_NOT_TRACK": "1"}, "1.0.0", "DO_NOT_TRACK is set."),
        ({}, "1.1.0.dev1", "1.1.0.dev1 is not a released version."),
    ],
)
def test_verbose_says_why_nothing_is(
    user: User, capsys: pytest.CaptureFixture[str], env: dict[str, str], version: str, why: str
) -> None:
    user.env.update(env)
    user.record(version=version, loud=True)
    assert capsys.readouterr() == ("", f"telemetry: nothing is recorded: {why}\n")
    user.record(version=version)
    assert capsys.readouterr() == ("", "")
    user.record("no command of the contract", version=version, loud=True)
    assert capsys.readouterr() == ("", "")
    assert user.queued() == []


def test_log_prints_with_a_number_made_up_for_the_line(
    user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    user.env["TIN_TELEMETRY"] = "log"
    user.record()
    user.record()
    out, err = capsys.readouterr()
    assert out == ""
    first, second = (json.loads(line) for line in err.splitlines())
    assert first["runtime"] == second["runtime"] == "3.1.0"
    assert first["installationId"] != second["installationId"]
    user.record("no command of the contract")
    user.record(version="1.1.0.dev1")
    assert capsys.readouterr() == ("", ""), "neither would be recorded"
    assert user.queued() == []


def test_log_of_a_version_under_development_says_why_if_asked(
    user: User, capsys: pytest.CaptureFixture[str]
) -> None:
    user.env["TIN_TELEMETRY"] = "log"
    user.record(version="1.1.0.dev1", loud=True)
    said = "telemetry: nothing is recorded: TIN_TELEMETRY=log prints events and sends none.\n"
    assert capsys.readouterr() == ("", said)


def test_without_a_stderr_nothing_is_said(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    user.record(loud=True)
    assert len(user.queued()) == 1


@pytest.mark.parametrize("loud", [False, True], ids=["the usual way", "afresh"])
def test_a_delivery_that_is_due_is_started_with_the_contract(user: User, loud: bool) -> None:
    user.record(loud=loud)
    assert user.started == []
    user.due()
    user.record(loud=loud)
    assert user.started == [CONTRACT.read_bytes()]
    user.record(loud=loud)
    assert len(user.started) == 1, "one an hour"


def test_an_erasure_that_waits_is_delivered_by_any_run(user: User) -> None:
    dotfile.refuse(user.dotfile, "1.0.0", "2026-11-02", revoked=True, erasing=True)
    user.record()
    assert user.started == []
    user.due()
    user.record()
    assert len(user.started) == 1
    assert user.queued() == []


def test_a_program_that_was_started_as_a_sender_starts_none(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(spawn.SENDER, "{}")
    user.due()
    user.record()
    assert user.started == []
    assert len(user.queued()) == 1


def test_no_interpreter_no_sender(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that embeds Python may not say where one is; `telemetry send` still delivers."""
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setattr("os.posix_spawn", None)
    spawn.start({}, -1, {})


def test_a_program_without_stdin_gives_its_sender_the_contract_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The contract then is descriptor 0 itself, which nothing makes a copy of."""
    import os

    given: list[bool] = []
    kept, inheritable = os.dup(0), os.get_inheritable(0)

    def start(*_args: object, **how: object) -> int:
        given.append(os.get_inheritable(0))
        assert how["setsid"] is True
        return 0

    monkeypatch.setattr(os, "posix_spawn", start)
    try:
        os.close(0)
        assert os.open(CONTRACT, os.O_RDONLY | os.O_CLOEXEC) == 0
        spawn.start({}, 0, {})
    finally:
        os.dup2(kept, 0, inheritable)
        os.close(kept)
    assert given == [True]


def test_a_frozen_program_is_its_own_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no interpreter; what it would leave open to a child is closed."""
    import os

    given: list[tuple[list[str], dict[str, str], list[tuple[object, ...]]]] = []

    def start(_path: str, argv: list[str], env: dict[str, str], **how: object) -> int:
        actions = how["file_actions"]
        assert isinstance(actions, list)
        given.append((argv, env, actions))
        return 0

    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(os, "posix_spawn", start)
    mine, inherited = os.pipe()
    os.set_inheritable(inherited, True)
    try:
        spawn.start({"version": "1"}, mine, {})
    finally:
        os.close(mine)
        os.close(inherited)
    [(argv, env, actions)] = given
    assert argv == [sys.executable]
    assert env == {
        "ASKFIRST_SENDER": '{"version":"1"}',
        "PYINSTALLER_RESET_ENVIRONMENT": "1",
    }
    closed = {action[1] for action in actions if action[0] == os.POSIX_SPAWN_CLOSE}
    assert inherited in closed
    assert not closed & {0, 1, 2, mine}


def test_a_claim_waits_for_nobody(tmp_path: Path) -> None:
    import fcntl

    folder = str(tmp_path / "state")
    assert spawn.claim(folder, 1_000, 1_000)
    with (tmp_path / "state" / spawn.SCHEDULE).open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert not spawn.claim(folder, 5_000, 1_000)
    assert spawn.claim(folder, 5_000, 1_000)
