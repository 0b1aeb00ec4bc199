"""The published wolkenkit CLI sends to our collector, and shares its dotfile with our client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from askfirst.contract.event import now_ms
from askfirst.contract.hashing import hash_text
from tests.contract.deep import deep_hash
from tests.interop.conftest import Collector, Successor
from tests.interop.published import INIT, Outcome, Wolkenkit, send

VECTOR = Path(__file__).parents[1] / "vectors" / "wolkenkit-3.1.2-command.json"
COMMANDS = ("start", "stop", "restart", "reload")
THEIRS = "3.1.2"
LATER = "3.2.0"  # when our client has taken over
UUID = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"

needs_node = pytest.mark.needs("node", "npm")
slow = pytest.mark.slow  # 3 to 6 s each, and for the first what npm takes: half a minute or more


def counted(collector: Collector) -> dict[str, dict[str, int]]:
    """Return {command: {version: events}} of what the collector was sent."""
    rows = collector.report("commands")["commands"]
    found = {
        row["command"]: {version: n["events"] for version, n in row["version"].items()}
        for row in rows
    }
    return {command: versions for command, versions in found.items() if versions}


def installations(collector: Collector) -> int:
    """Return how many installations were active, today or before midnight."""
    weekly: int = collector.report("active")["weekly"]
    return weekly


def agreed(*versions: str, **more: Any) -> dict[str, Any]:
    """Return what the wolkenkit CLI's dotfile says after a Yes."""
    answers = {version: {"sendTelemetry": True} for version in versions}
    return {"installationId": UUID, "versions": answers, **more}


def assert_hashed(outcome: Outcome, uuid: str) -> None:
    """Check that what was sent are the hashes that our own code makes."""
    assert outcome.events
    for event in outcome.events:
        local = {"installationId": uuid, "application": {"name": "chat", "env": "default"}}
        assert {key: event[key] for key in local} == deep_hash(local, uuid)


def test_a_captured_request_is_counted(plain_collector: Collector) -> None:
    body = json.loads(VECTOR.read_text())["body"]
    body["data"]["data"]["timestamp"] = now_ms()
    plain_collector.post(body)
    assert counted(plain_collector) == {"start": {THEIRS: 1}}
    assert installations(plain_collector) == 1


@needs_node
@slow
def test_every_command_of_the_published_cli_is_counted(
    collector: Collector, wolkenkit: Wolkenkit
) -> None:
    wolkenkit.answer(yes=True)
    outcome = wolkenkit.run(INIT, *map(send, COMMANDS), send("start", "production"))

    assert {request["url"] for request in outcome.posted} == {
        "https://telemetry.wolkenkit.io/v1/command"
    }
    assert [request["answer"] for request in outcome.posted] == [{"accepted": 1, "dropped": []}] * 5
    uuid = wolkenkit.data()["installationId"]
    assert {event["installationId"] for event in outcome.events} == {hash_text(uuid, uuid)}
    assert [event["application"] for event in outcome.events] == [
        deep_hash({"name": "chat", "env": env}, uuid) for env in ["default"] * 4 + ["production"]
    ]

    once = {command: {THEIRS: 1} for command in COMMANDS}
    assert counted(collector) == {**once, "start": {THEIRS: 2}}
    assert installations(collector) == 1
    applications = collector.report("applications")
    assert (applications["installations"], applications["distribution"]) == (1, {"1": 1})
    environments = collector.report("environments")
    assert environments["per_application"]["distribution"] == {"2": 1}
    quality = collector.report("quality")
    assert (quality["stored"], quality["duplicate"], quality["dropped"]) == (5, 0, {})


@needs_node
@slow
def test_a_request_that_comes_twice_is_counted_once(
    collector: Collector, wolkenkit: Wolkenkit
) -> None:
    wolkenkit.write(agreed(THEIRS))
    [body] = wolkenkit.run(INIT, send("start")).bodies
    collector.post(body)
    assert counted(collector) == {"start": {THEIRS: 1}}
    quality = collector.report("quality")
    assert (quality["stored"], quality["duplicate"]) == (1, 1)


@needs_node
@slow
def test_our_client_sends_on_a_yes_to_the_published_cli_without_asking(
    collector: Collector, wolkenkit: Wolkenkit, successor: Successor
) -> None:
    wolkenkit.answer(yes=True)
    theirs = wolkenkit.run(INIT, send("start"))
    before = wolkenkit.dotfile.read_bytes()
    for version in (THEIRS, LATER):
        successor.run(version, "stop")
        successor.telemetry(version, "send")
    assert wolkenkit.dotfile.read_bytes() == before
    assert counted(collector) == {"start": {THEIRS: 1}, "stop": {THEIRS: 1, LATER: 1}}
    assert installations(collector) == 1  # both clients make the same hash of it
    assert_hashed(theirs, wolkenkit.data()["installationId"])


@needs_node
@slow
def test_the_published_cli_sends_after_our_on_and_keeps_what_we_wrote(
    collector: Collector, wolkenkit: Wolkenkit, successor: Successor
) -> None:
    """Ours keeps unknown keys, too."""
    wolkenkit.write(agreed(THEIRS, ours="kept"))
    successor.telemetry(LATER, "on")
    data = wolkenkit.data()
    assert (data["ours"], data["installationId"]) == ("kept", UUID)
    assert data["versions"][LATER]["agreed"]["commands"] == list(COMMANDS)

    outcome = wolkenkit.run(INIT, ("enable",), send("start"))
    assert_hashed(outcome, UUID)
    assert wolkenkit.data() == data
    assert wolkenkit.dotfile.stat().st_mode & 0o777 == 0o600
    successor.run(LATER, "stop")
    successor.telemetry(LATER, "send")
    assert counted(collector) == {"start": {THEIRS: 1}, "stop": {LATER: 1}}
    assert installations(collector) == 1


@needs_node
@slow
@pytest.mark.parametrize("version", [THEIRS, LATER])
def test_the_published_cli_sends_on_a_yes_to_our_client_without_asking(
    collector: Collector, wolkenkit: Wolkenkit, successor: Successor, version: str
) -> None:
    """It takes a Yes to another version for its own; the UUID is ours."""
    successor.telemetry(version, "on")
    uuid = wolkenkit.data()["installationId"]
    assert_hashed(wolkenkit.run(INIT, send("start")), uuid)
    assert wolkenkit.data()["installationId"] == uuid
    successor.run(version, "stop")
    successor.telemetry(version, "send")
    assert counted(collector) == {"start": {THEIRS: 1}, "stop": {version: 1}}
    assert installations(collector) == 1


@needs_node
@slow
def test_nobody_sends_after_our_off(
    collector: Collector, wolkenkit: Wolkenkit, successor: Successor
) -> None:
    """The published CLI makes itself a new UUID even so, before it looks at the answer. Nothing
    uses it, and the next `off` deletes it.
    """
    wolkenkit.write(agreed(THEIRS, ours="kept"))
    successor.telemetry(LATER, "off")
    data = wolkenkit.data()
    assert "installationId" not in data
    assert data["ours"] == "kept"
    assert [answer["sendTelemetry"] for answer in data["versions"].values()] == [False, False]

    outcome = wolkenkit.run(send("start"), INIT, send("start"), ("isEnabled",))
    assert (outcome.posted, outcome.returned[-1]) == ([], False)
    new = wolkenkit.data().pop("installationId")
    assert new != UUID
    assert wolkenkit.data() == {**data, "installationId": new}

    successor.run(LATER, "start")
    assert "off: you turned it off" in successor.telemetry(LATER, "status")
    successor.telemetry(LATER, "off")
    assert wolkenkit.data() == data
    assert counted(collector) == {}


@needs_node
@slow
def test_the_published_cli_asks_again_rather_than_revive_a_yes_that_our_off_revoked(
    wolkenkit: Wolkenkit, successor: Successor
) -> None:
    """It takes any older version's answer for the latest; so `off` has to turn all of them."""
    wolkenkit.write(agreed("2.0.0", "3.0.0"))
    successor.telemetry(LATER, "off")
    wolkenkit.asks()


@needs_node
@slow
def test_our_client_respects_a_no_to_the_published_cli(
    collector: Collector, wolkenkit: Wolkenkit, successor: Successor
) -> None:
    """Its answers of one version change back and forth."""
    wolkenkit.answer(yes=False)
    assert wolkenkit.run(INIT, send("start")).posted == []
    assert "off: you said No" in successor.telemetry(THEIRS, "status")
    assert len(wolkenkit.run(INIT, ("enable",), send("start")).posted) == 1
    assert "on: you said Yes" in successor.telemetry(THEIRS, "status")
    assert wolkenkit.run(INIT, ("disable",), send("start")).posted == []
    assert "off: you said No" in successor.telemetry(THEIRS, "status")
    assert "off: you said No to an earlier version" in successor.telemetry(LATER, "status")
    successor.telemetry(LATER, "send", code=1)
    assert counted(collector) == {"start": {THEIRS: 1}}
