"""What an answer is worth at the next release: who is asked again, and what is sent meanwhile."""

from __future__ import annotations

import pytest

from tests.client.program import Program
from tests.client.terminal import CTRL_C, DOWN, ENTER

MORE = """
[fields.weight]
treatment = "bucket"
buckets = [1, 2]
purpose = "How heavy are tins?"
"""
HELD = {
    "a minor release": ("10.0.0", "10.1.0"),
    "a major release": ("9.0.0", "10.0.0"),
    "a pre-release": ("1.0.0", "2.0.0rc1"),
    "after a pre-release": ("2.0.0rc1", "2.0.0"),
    "an older release": ("10.0.0", "9.0.0"),
    "another build": ("1.0.0", "1.0.0+local.1"),
}
REFUSED = {
    "a patch": ("1.0.0", "1.0.1", True),
    "ten comes after nine": ("9.0.0", "10.0.0", True),
    "nine comes before ten": ("10.0.0", "9.0.0", False),
    "the same": ("1.0.0", "1.0.0", False),
    "the same, spelt shorter": ("1.0.0", "1.0", False),
    "another build": ("1.0.0", "1.0.0+local.1", False),
    "a pre-release of the next": ("1.0.0", "2.0.0rc1", True),
    "a pre-release of the same": ("1.0.0", "1.0.0rc1", False),
    "after a pre-release": ("2.0.0-rc.1", "2.0.0", True),
    "from one pre-release to the next": ("2.0.0rc9", "2.0.0rc10", True),
    "a post-release": ("1.0.0", "1.0.0.post1", True),
    "no version at all": ("1.0.0", "main", False),
}


@pytest.mark.parametrize(("answered", "now"), HELD.values(), ids=HELD)
def test_a_yes_holds(program: Program, answered: str, now: str) -> None:
    """A Yes carries over to every version whose contract collects no more."""
    program.answer("y", answered)
    assert not program.asks(now)
    assert program.run("start", TOOL_VERSION=now).returncode == 0
    assert program.commands() == ["start"]


@pytest.mark.parametrize(("refused", "now", "asked"), REFUSED.values(), ids=REFUSED)
def test_a_no_is_asked_again_by_a_newer_version_only(
    program: Program, refused: str, now: str, asked: bool
) -> None:
    """Newer is by precedence, never by the order of letters."""
    program.answer("n", refused)
    assert program.asks(now) is asked
    program.run("start", TOOL_VERSION=now)
    assert program.queued() == []


def test_a_second_no(program: Program) -> None:
    """A No at the newer version counts for it and for those before it."""
    program.answer("n", "9.0.0")
    program.answer("n", "10.0.0")
    assert not program.asks("10.0.0")
    assert not program.asks("9.0.0")
    assert program.asks("11.0.0")


def test_a_yes_after_a_no(program: Program) -> None:
    """The newer answer counts at newer versions; the No stays where it was given."""
    program.answer("n", "9.0.0")
    program.answer("y", "10.0.0")
    for version, recorded in (("10.0.0", 1), ("11.0.0", 2), ("9.0.0", 2)):
        assert not program.asks(version)
        program.run("start", TOOL_VERSION=version)
        assert len(program.queued()) == recorded


def test_a_no_after_a_yes_is_a_no_everywhere(program: Program) -> None:
    """Who says No at the question of a wider contract is off at the older versions too."""
    program.answer("y", "1.0.0")
    with program.contract_file.open("a") as file:
        file.write(MORE)
    program.answer("n", "2.0.0")
    assert "installationId" not in program.answers()
    for version in ("1.0.0", "2.0.0"):
        assert not program.asks(version)
        program.run("start", TOOL_VERSION=version)
    assert program.files() == [".tin"]


@pytest.mark.parametrize("word", ["off", "--disable"])
def test_off_holds(program: Program, word: str) -> None:
    """`off` is not an answer to a question: no later version asks or sends."""
    program.answer("y", "10.0.0")
    program.run("start", TOOL_VERSION="10.0.0")
    assert program.queued()
    assert program.run("telemetry", word, TOOL_VERSION="10.1.0").returncode == 0
    assert program.kept() == [".tin"], "what was unsent is gone"
    for version in ("10.0.0", "10.1.0", "11.0.0", "9.0.0"):
        assert not program.asks(version)
        assert program.run("start", TOOL_VERSION=version).stdout == "started\n"
    assert program.kept() == [".tin"]
    assert program.files() == [".local", ".local/state", ".tin"]
    assert "installationId" not in program.answers()


@pytest.mark.parametrize("version", ["9.0.0", "main"])
def test_off_holds_at_whatever_version_it_was_said(program: Program, version: str) -> None:
    """An older version, or none at all: those that were answered before do not ask later ones."""
    program.agree("10.0.0")
    assert program.run("telemetry", "off", TOOL_VERSION=version).returncode == 0
    for later in ("10.0.0", "11.0.0"):
        assert not program.asks(later)


def test_on_after_off_is_another_installation(program: Program) -> None:
    """`on` makes a new random identifier, and holds at the next release."""
    program.answer("y", "10.0.0")
    first = program.answers()["installationId"]
    program.run("telemetry", "off", TOOL_VERSION="10.0.0")
    program.run("telemetry", "on", TOOL_VERSION="10.1.0")
    assert program.answers()["installationId"] != first
    assert not program.asks("11.0.0")
    program.run("start", TOOL_VERSION="11.0.0")
    assert program.commands() == ["start"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[fields.runtime]", MORE + "[fields.runtime]"),
        ('commands = ["start",', 'commands = ["start", "stop",'),
        ('values = ["red", "green"]', 'values = ["red", "green", "blue"]'),
        ("buckets = [10, 100]", "buckets = [10, 50, 100]"),
        ('treatment = "hash"', 'treatment = "version"'),
        ("retention_days = 395", "retention_days = 396"),
        ('organisation = "Tin Makers"', 'organisation = "Can Makers"'),
    ],
    ids=["field", "command", "choice", "bucket", "treatment", "retention", "controller"],
)
def test_a_wider_contract_asks_again(program: Program, old: str, new: str) -> None:
    """Consent to X is not consent to X + Y: until it is answered, it counts as No."""
    program.agree("1.0.0")
    program.run("start")
    assert len(program.queued()) == 1
    program.declare(old, new)
    program.run("start", TOOL_VERSION="1.1.0")
    assert len(program.queued()) == 1, "nothing is recorded without an answer"
    assert "would collect more" in program.run("telemetry", TOOL_VERSION="1.1.0").stdout
    assert program.asks("1.1.0")
    assert program.asks("1.0.0"), "whatever the version: it is the contract that grew"


def test_a_yes_to_a_wider_contract(program: Program) -> None:
    """The same installation goes on under the wider contract."""
    program.answer("y", "1.0.0")
    identifier = program.answers()["installationId"]
    with program.contract_file.open("a") as file:
        file.write(MORE)
    program.answer(DOWN + ENTER, "1.1.0")
    assert program.answers()["installationId"] == identifier
    assert not program.asks("1.1.0")
    program.run("start", VALUES='{"weight": 3}', TOOL_VERSION="1.1.0")
    assert b'"weight":">=2"' in program.queued()[0]


@pytest.mark.parametrize("keys", [ENTER, "n", CTRL_C], ids=["enter", "n", "ctrl-c"])
def test_a_no_to_a_wider_contract(program: Program, keys: str) -> None:
    """It deletes the identifier and whatever is unsent, like every No."""
    program.agree("1.0.0")
    program.run("start")
    with program.contract_file.open("a") as file:
        file.write(MORE)
    program.answer(keys, "1.1.0")
    assert program.kept() == [".tin"]
    answers = program.answers()
    assert answers.keys() == {"versions"}
    assert [answer["sendTelemetry"] for answer in answers["versions"].values()] == [False, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[fields.cold]\ntreatment = "flag"\npurpose = "Is the tin cold?"\n', ""),
        ('"status", "fail", ', '"status", '),
        ('values = ["red", "green"]', 'values = ["red"]'),
        ("buckets = [10, 100]", "buckets = [10]"),
        ("retention_days = 395", "retention_days = 30"),
        ("Is the tin cold?", "Should tins be kept cold?"),
    ],
    ids=["field", "command", "choice", "bucket", "retention", "purpose reworded"],
)
def test_a_narrower_contract_does_not_ask(program: Program, old: str, new: str) -> None:
    """Less than was agreed to is agreed to."""
    program.agree("1.0.0")
    program.declare(old, new)
    assert not program.asks("1.1.0")
    program.run("start", TOOL_VERSION="1.1.0")
    assert program.commands() == ["start"]
