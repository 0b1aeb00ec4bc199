"""Consent as a full truth table: dotfile x version order x contract x environment x terminal."""

from __future__ import annotations

import itertools

import pytest

from askfirst.client.consent import CI_VARIABLES, REASONS, Decision, decide
from askfirst.client.dotfile import Dotfile

UUID = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"
YES: dict[str, object] = {"sendTelemetry": True}
NO: dict[str, object] = {"sendTelemetry": False}
OFF: dict[str, object] = {"sendTelemetry": False, "revoked": "2026-11-25"}


def answers(versions: dict[str, object], **more: object) -> Dotfile:
    return Dotfile("read", {"installationId": UUID, "versions": versions, **more})


def decided(
    dotfile: Dotfile | None,
    version: str = "10.0.0",
    *,
    wider: bool = False,
    env: dict[str, str] | None = None,
    terminal: bool = True,
) -> Decision:
    return decide(
        dotfile,
        tool="my-tool",
        version=version,
        collects_more=lambda answer: ["the field os"] if wider else [],
        env=env or {},
        terminal=terminal,
    )


# (name, dotfile, version that runs) -> what it means: (sends, asks, reason) with a contract that
# declares the same or less, and with one that declares more than was agreed to.
SENDS, ASKS, IS_OFF = (True, False), (False, True), (False, False)
WIDER = (*ASKS, "wider")
TABLE = [
    ("no file", Dotfile("missing", {}), "10.0.0", (*ASKS, "never-asked"), None),
    ("no home", None, "10.0.0", (*IS_OFF, "no-home"), None),
    ("unreadable", Dotfile("unreadable", {}), "10.0.0", (*IS_OFF, "unreadable"), None),
    ("no versions", answers({}), "10.0.0", (*ASKS, "never-asked"), None),
    ("yes, same", answers({"10.0.0": YES}), "10.0.0", (*SENDS, "agreed"), WIDER),
    ("yes, newer runs", answers({"9.0.0": YES}), "10.0.0", (*SENDS, "agreed"), WIDER),
    ("yes, older runs", answers({"10.0.0": YES}), "9.0.0", (*SENDS, "agreed"), WIDER),
    ("yes, pre-release runs", answers({"10.0.0": YES}), "11.0.0rc1", (*SENDS, "agreed"), WIDER),
    ("yes, no version runs", answers({"10.0.0": YES}), "main", (*SENDS, "agreed"), WIDER),
    ("no, same", answers({"10.0.0": NO}), "10.0.0", (*IS_OFF, "refused"), None),
    ("no, newer runs", answers({"9.0.0": NO}), "10.0.0", (*ASKS, "refused-earlier"), None),
    ("no, older runs", answers({"10.0.0": NO}), "9.0.0", (*IS_OFF, "refused-earlier"), None),
    ("no, final after rc", answers({"10.0.0rc1": NO}), "10.0.0", (*ASKS, "refused-earlier"), None),
    ("no, rc after final", answers({"10.0.0": NO}), "10.0.0-rc.1", (*IS_OFF, "refused-earlier"), None),
    ("no, equal spelling", answers({"10.0": NO}), "10.0.0", (*IS_OFF, "refused-earlier"), None),
    ("no, no version runs", answers({"10.0.0": NO}), "main", (*IS_OFF, "refused-earlier"), None),
    ("no to main, main runs", answers({"main": NO}), "main", (*IS_OFF, "refused"), None),
    ("yes to main, main runs", answers({"main": YES}), "main", (*SENDS, "agreed"), WIDER),
    ("yes to main, 10 runs", answers({"main": YES}), "10.0.0", (*ASKS, "never-asked"), None),
    ("no then yes", answers({"9.0.0": NO, "10.0.0": YES}), "11.0.0", (*SENDS, "agreed"), WIDER),
    ("no then yes, older runs", answers({"9.0.0": NO, "10.0.0": YES}), "9.0.0", (*IS_OFF, "refused"), None),
    ("yes then no", answers({"9.0.0": YES, "10.0.0": NO}), "11.0.0", (*ASKS, "refused-earlier"), None),
    ("yes then no, older runs", answers({"9.0.0": YES, "10.0.0": NO}), "9.0.0", (*IS_OFF, "refused-earlier"), None),
    ("file order", answers({"10.0.0": NO, "9.0.0": YES}), "10.1.0", (*ASKS, "refused-earlier"), None),
    ("text order", answers({"9.0.0": NO, "10.0.0": YES}), "10.1.0", (*SENDS, "agreed"), WIDER),
    ("revoked, same", answers({"10.0.0": OFF}), "10.0.0", (*IS_OFF, "revoked"), None),
    ("revoked, newer runs", answers({"10.0.0": OFF}), "11.0.0", (*IS_OFF, "revoked"), None),
    ("revoked, then yes", answers({"9.0.0": OFF, "10.0.0": YES}), "10.0.0", (*SENDS, "agreed"), WIDER),
    ("revoked at main, 10 runs", answers({"main": OFF}), "10.0.0", (*IS_OFF, "revoked"), None),
    ("revoked at main, dev runs", answers({"main": OFF}), "dev", (*IS_OFF, "revoked"), None),
    ("revoked at main, then yes", answers({"main": OFF, "10.0.0": YES}), "11.0.0", (*SENDS, "agreed"), WIDER),
    ("revoked at main, yes to dev", answers({"main": OFF, "dev": YES}), "dev", (*IS_OFF, "revoked"), None),
    ("a yes is not revoked", answers({"main": {**OFF, **YES}}), "dev", (*ASKS, "never-asked"), None),
    ("erasing", answers({"10.0.0": YES}, erasing="ab" * 32), "10.0.0", (*IS_OFF, "erasing"), None),
    ("yes without a UUID", Dotfile("read", {"versions": {"10.0.0": YES}}), "10.0.0", (*ASKS, "never-asked"), None),
    ("yes with a bad UUID", answers({"10.0.0": YES}, installationId="x"), "10.0.0", (*ASKS, "never-asked"), None),
    ("neither yes nor no", answers({"10.0.0": {"sendTelemetry": "true"}}), "10.0.0", (*ASKS, "never-asked"), None),
    ("answer of 1", answers({"10.0.0": {"sendTelemetry": 1}}), "10.0.0", (*ASKS, "never-asked"), None),
    ("answer is a list", answers({"10.0.0": []}), "10.0.0", (*ASKS, "never-asked"), None),
    ("versions is a list", Dotfile("read", {"versions": []}), "10.0.0", (*ASKS, "never-asked"), None),
]  # fmt: skip

FREE: list[dict[str, str]] = [
    {},
    {"CI": ""},
    {"CI": "0"},
    {"CI": "false"},
    {"DO_NOT_TRACK": ""},
    {"DO_NOT_TRACK": "0"},
    {"DO_NOT_TRACK": "false"},
    {"ASKFIRST_TELEMETRY": ""},
    {"ASKFIRST_TELEMETRY": "1"},
    {"ASKFIRST_TELEMETRY": "ON"},
    {"MY_TOOL_TELEMETRY": "yes"},
    {"MY_TOOL_TELEMETRY": "true"},
    {"OTHER_TELEMETRY": "0"},
]
FORCED: list[tuple[dict[str, str], str]] = [
    *[({name: "1"}, "ci") for name in CI_VARIABLES],
    ({"CI": "true"}, "ci"),
    ({"CI": "woodpecker"}, "ci"),
    ({"JENKINS_URL": "http://ci"}, "ci"),
    ({"DO_NOT_TRACK": "1"}, "do-not-track"),
    ({"DO_NOT_TRACK": "TRUE"}, "do-not-track"),
    ({"DO_NOT_TRACK": "no"}, "do-not-track"),
    ({"ASKFIRST_TELEMETRY": "0"}, "variable"),
    ({"ASKFIRST_TELEMETRY": "off"}, "variable"),
    ({"ASKFIRST_TELEMETRY": "false"}, "variable"),
    ({"ASKFIRST_TELEMETRY": "No"}, "variable"),
    ({"ASKFIRST_TELEMETRY": "what?"}, "variable"),
    ({"ASKFIRST_TELEMETRY": "log"}, "variable"),
    ({"MY_TOOL_TELEMETRY": "0"}, "variable"),
    ({"MY_TOOL_TELEMETRY": "OFF"}, "variable"),
    ({"MY_TOOL_TELEMETRY": "what?"}, "variable"),
    ({"MY_TOOL_TELEMETRY": "log"}, "log"),
    ({"MY_TOOL_TELEMETRY": "log", "CI": "1"}, "ci"),
    ({"MY_TOOL_TELEMETRY": "log", "DO_NOT_TRACK": "1"}, "do-not-track"),
    ({"MY_TOOL_TELEMETRY": "1", "ASKFIRST_TELEMETRY": "0"}, "variable"),
    ({"MY_TOOL_TELEMETRY": "on", "DO_NOT_TRACK": "1"}, "do-not-track"),
]


@pytest.mark.parametrize(
    ("name", "dotfile", "version", "same", "more"),
    TABLE,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_answers_in_every_surrounding(
    name: str,
    dotfile: Dotfile | None,
    version: str,
    same: tuple[bool, bool, str],
    more: tuple[bool, bool, str] | None,
) -> None:
    """An answer means the same whatever is not forbidden; without a terminal nobody is asked."""
    for wider, terminal, env in itertools.product((False, True), (False, True), FREE):
        sends, asks, reason = (more or same) if wider else same
        decision = decided(dotfile, version, wider=wider, env=env, terminal=terminal)
        found = (decision.send, decision.ask, decision.log, decision.reason)
        assert found == (sends, asks and terminal, False, reason), (name, wider, terminal, env)


@pytest.mark.parametrize(("env", "reason"), FORCED)
def test_the_environment_can_only_turn_off(env: dict[str, str], reason: str) -> None:
    for (_, dotfile, version, *_), wider, terminal in itertools.product(
        TABLE, (False, True), (False, True)
    ):
        decision = decided(dotfile, version, wider=wider, env=env, terminal=terminal)
        assert (decision.send, decision.ask) == (False, False)
        assert decision.reason == reason
        assert decision.log == (reason == "log")


def test_every_reason_explains_itself() -> None:
    seen = {reason for *_, same, more in TABLE for reason in (same[2], (more or same)[2])}
    seen |= {reason for _, reason in FORCED}
    assert seen == set(REASONS)
    assert decided(answers({"1.0": YES}), wider=True).explain() == (
        "this version would collect more than you agreed to: the field os"
    )
    assert decided(None, env={"BUILDKITE": "true"}).explain() == (
        "this looks like a CI machine (BUILDKITE is set)"
    )


def test_a_reason_names_what_it_is_about_and_nothing_else() -> None:
    """The variable that was set, or the fields that were not agreed to; never a value."""
    assert Decision("agreed").detail == ""
    for env, reason in FORCED:
        decision = decided(answers({"10.0.0": YES}), env=env)
        own = [name for name in env if decided(None, env={name: env[name]}).reason == reason]
        assert decision.detail in ([""] if reason == "do-not-track" else own), env
    decision = decide(
        answers({"10.0.0": YES}),
        tool="t",
        version="10.0.0",
        collects_more=lambda answer: ["the field os", "the field ci"],
        env={},
        terminal=True,
    )
    assert decision.detail == "the field os, the field ci"


def test_a_yes_to_this_version_holds_when_a_later_one_does_not_cover_it() -> None:
    """Two Yeses: the one given for the version that runs counts as well as the latest."""
    dotfile = answers({"9.0.0": {**YES, "n": 9}, "10.0.0": {**YES, "n": 10}})

    def collects_more(answer: dict[str, object]) -> list[str]:
        return [] if answer["n"] == 9 else ["the field os"]

    for version, sends in (("9.0.0", True), ("10.0.0", False), ("9.5.0", False)):
        decision = decide(
            dotfile, tool="t", version=version, collects_more=collects_more, env={}, terminal=True
        )
        assert (decision.send, decision.ask) == (sends, not sends)
