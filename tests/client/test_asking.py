"""Whether somebody is asked, in this process; `test_prompt` has real programs and terminals."""

from __future__ import annotations

import os
import pty
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from askfirst import Telemetry, usual
from askfirst.client import dotfile, prompt, spawn
from askfirst.contract.event import now_ms
from askfirst.contract.loading import load
from tests.client.program import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTRACT = PROGRAMS / "telemetry.toml"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who was asked; each says Yes."""
    tools: list[str] = []
    monkeypatch.setattr(prompt, "ask", lambda contract, _env: tools.append(contract.name) or True)
    return tools


@contextmanager
def at_terminal(**other: object) -> Iterator[None]:
    """A terminal without job control as stdin and stderr, but for a stream that is given."""
    main, side = pty.openpty()
    before = sys.stdin, sys.stderr
    with open(side, "r+b", buffering=0) as raw:
        sys.stdin, sys.stderr = other.get("stdin", raw), other.get("stderr", raw)
        try:
            yield
        finally:
            sys.stdin, sys.stderr = before
    os.close(main)


def telemetry(home: Path) -> Telemetry:
    return Telemetry(str(CONTRACT), "1.0.0", env={"HOME": str(home)}, strict=True)


def test_asked_once_where_nobody_controls_jobs(asked: list[str], tmp_path: Path) -> None:
    with at_terminal():
        telemetry(tmp_path).ask()
        assert asked == ["tin"]
        assert dotfile.read(str(tmp_path / ".tin")).installation
        telemetry(tmp_path).ask()
        assert not usual_is_known(tmp_path), "nothing was recorded yet"
        spawn.write_schedule(state(tmp_path), now_ms() + 3_600_000, 0)
        telemetry(tmp_path).record("start")
        assert usual_is_known(tmp_path)
        telemetry(tmp_path).ask()
    assert asked == ["tin"]


def state(home: Path) -> str:
    folder = home / ".local/state/askfirst/tin"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def usual_is_known(home: Path) -> bool:
    """Whether a Yes is remembered, so that the next run does not decide afresh."""
    made = telemetry(home)
    return usual.is_agreed(made, made.answers() or b"")


def test_a_no_to_this_version_is_not_asked_again(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is seen without deciding anything."""
    dotfile.refuse(str(tmp_path / ".tin"), "1.0.0", "2026-11-01")
    monkeypatch.setattr("askfirst.client.asking.ask", None)
    with at_terminal():
        telemetry(tmp_path).ask()
    assert asked == []


def test_not_asked_in_the_background(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job started with & would be stopped as soon as it touched the terminal."""
    with at_terminal():
        monkeypatch.setattr(os, "tcgetpgrp", lambda _fd: os.getpgrp() + 1)
        telemetry(tmp_path).ask()
        assert asked == []
        monkeypatch.setattr(os, "tcgetpgrp", lambda _fd: os.getpgrp())
        telemetry(tmp_path).ask()
    assert asked == ["tin"]


def test_not_asked_without_a_home(asked: list[str], tmp_path: Path) -> None:
    with at_terminal():
        telemetry(tmp_path / "none").ask()
        assert asked == []
        telemetry(tmp_path).ask()
    assert asked == ["tin"]


def closed() -> object:
    with open(os.devnull) as file:
        return file


@pytest.mark.parametrize("stream", ["stdin", "stderr"])
@pytest.mark.parametrize("kind", ["none", "closed"])
def test_not_asked_without_a_stream(
    asked: list[str], tmp_path: Path, stream: str, kind: str
) -> None:
    """As under pythonw, or in a service."""
    with at_terminal(**{stream: None if kind == "none" else closed()}):
        telemetry(tmp_path).ask()
    assert asked == []


def test_an_erasure_that_waits_is_delivered_and_nobody_is_asked(
    asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(spawn, "start", lambda work, _contract, _env: started.append(work))
    path = str(tmp_path / ".tin")
    spawn.write_schedule(state(tmp_path), now_ms() + 3_600_000, 0)
    dotfile.agree(path, "1.0.0", load(CONTRACT), "2026-11-01")
    dotfile.refuse(path, "1.0.0", "2026-11-02", revoked=True, erasing=True)
    with at_terminal():
        telemetry(tmp_path).ask()
        assert started == []
        os.unlink(os.path.join(state(tmp_path), spawn.SCHEDULE))
        telemetry(tmp_path).ask()
    assert len(started) == 1
    assert asked == []
