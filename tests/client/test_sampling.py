"""Real runs of a tool whose contract asks half of those who said Yes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from askfirst.client import dotfile, log
from askfirst.contract.hashing import hash_text
from askfirst.contract.sampling import takes_part

if TYPE_CHECKING:
    from tests.client.receiving import Receiver
    from tests.client.tool import Tool

HALF = "retention_days = 395\nsample = 0.5"
INSIDE = "00000000-0000-4000-8000-000000000000"
OUTSIDE = "00000000-0000-4000-8000-000000000001"
NOT_IN_IT = "this installation is not in it"


def become(tool: Tool, uuid: str) -> None:
    """Let the tool's user have a UUID."""
    answers = json.loads(tool.dotfile.read_text())
    tool.dotfile.write_text(json.dumps({**answers, "installationId": uuid}))


def sample_half(tool: Tool, uuid: str) -> None:
    tool.declare("retention_days = 395", HALF)
    become(tool, uuid)


def test_the_two_are_in_and_out() -> None:
    assert [takes_part(0.5, hash_text(uuid, uuid)) for uuid in (INSIDE, OUTSIDE)] == [True, False]


def test_who_is_in_the_sample_sends_what_anybody_would(tool: Tool, receiver: Receiver) -> None:
    sample_half(tool, INSIDE)
    for _ in range(3):
        tool.start()
    assert len(tool.queued()) == 3
    tool.delivers(receiver)
    [(_, batch)] = receiver.posts
    assert [event["installationId"] for event in batch["events"]] == [hash_text(INSIDE, INSIDE)] * 3
    assert "this installation is in it" in tool.run("telemetry").stdout


def test_who_is_not_queues_and_sends_nothing(tool: Tool, receiver: Receiver) -> None:
    sample_half(tool, OUTSIDE)
    tool.due()
    for _ in range(3):
        tool.start(**receiver.env)
    assert tool.queued() == []
    assert tool.run("telemetry", "send", **receiver.env).stdout == "Nothing was waiting.\n"
    assert receiver.posts == []
    status = tool.run("telemetry").stdout
    assert "on: you said Yes" in status
    assert f"sample   50 % of those who say Yes; {NOT_IN_IT}" in status
    assert "not in the sample" in tool.run("telemetry", "show").stderr


def test_who_says_yes_is_told_that_they_are_not_in_it(tool: Tool) -> None:
    sample_half(tool, OUTSIDE)
    told = "Still, nothing is sent here: this installation is not in the sample."
    assert told in tool.run("telemetry", "on").stdout
    become(tool, INSIDE)
    assert told not in tool.run("telemetry", "on").stdout


def test_that_is_remembered(tool: Tool) -> None:
    sample_half(tool, OUTSIDE)
    tool.start()
    done = tool.run(AFTER="print(sorted(n for n in sys.modules if n.startswith('askfirst')))")
    assert "'askfirst.usual'" in done.stdout
    assert "askfirst.contract.model" not in done.stdout
    assert "askfirst.client.recording" not in done.stdout


def test_verbose_says_why_nothing_is_recorded(tool: Tool) -> None:
    sample_half(tool, OUTSIDE)
    said = tool.run(DURING="telemetry.verbose = True").stderr
    assert said == "telemetry: nothing is recorded: this installation is not in the sample.\n"


def test_what_waits_when_the_sample_shrinks_is_not_sent(tool: Tool) -> None:
    """What was sent before can still be read about."""
    become(tool, OUTSIDE)
    tool.start()
    assert len(tool.queued()) == 1
    log.append(str(tool.state), 1_795_417_883_502, "sent", [b"{}"])
    before = log.read(str(tool.state))
    tool.declare("retention_days = 395", HALF)
    tool.start()
    assert tool.queued() == []
    assert before
    assert log.read(str(tool.state)) == before


def test_who_was_out_of_a_sample_is_in_a_larger_one(tool: Tool) -> None:
    sample_half(tool, OUTSIDE)
    tool.start()
    tool.declare("sample = 0.5", "sample = 0.99")
    tool.start()
    assert len(tool.queued()) == 1


def test_an_off_leaves_nothing_of_it(tool: Tool) -> None:
    sample_half(tool, OUTSIDE)
    tool.start()
    assert tool.run("telemetry", "off").returncode == 0
    assert tool.kept() == [".tin"]


@pytest.mark.parametrize("uuid", [INSIDE, OUTSIDE])
def test_before_a_yes_nobody_can_say_who_is_in_it(tool: Tool, uuid: str) -> None:
    sample_half(tool, uuid)
    dotfile.refuse(str(tool.dotfile), "1.0.0", "2026-11-02")
    status = tool.run("telemetry").stdout
    assert "sample   50 % of those who say Yes\n" in status
