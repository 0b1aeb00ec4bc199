"""The texts for people: what law asks for is in them, and what their makers wrote stays."""

from __future__ import annotations

import pytest

from askfirst.cli import notices
from askfirst.contract.loading import parse
from tests.client.program import Program, program
from tests.contract.test_loading import GOOD

__all__ = ["program"]  # a fixture

CONTRACT = parse(GOOD)
WIDER = parse(GOOD.replace("395", "400"))


@pytest.mark.parametrize("form", ["telemetry", "art13", "art30"])
def test_each_text_names_all_that_is_collected_and_who_is_responsible(form: str) -> None:
    text = notices.document(CONTRACT, form)
    for field in CONTRACT.fields.values():
        assert field.name in text
        assert field.purpose in text
    for command in CONTRACT.commands:
        assert command in text
    for said in (
        CONTRACT.organisation,
        CONTRACT.contact,
        CONTRACT.collector,
        "395 days",
        "onsent",
        "Art. 6(1)(a)",
        "stratus telemetry off",
        "stratus telemetry erase",
        "IP address",
        "[fill in: ",
    ):
        assert said in text, said
    assert "anonymous" not in text.replace("pseudonymous", "").replace("not anonymous", "")


ART_13 = {
    "1a": "The controller is the native web",
    "1a, representative": "Representative in the EU",
    "1b": "data protection officer, at\nprivacy@example.org",
    "1c": "The legal basis is your consent",
    "1d": "Nothing is collected on the basis of legitimate interests",
    "1e": "Who receives it",
    "1f": "not transferred to a country outside the European Economic Area",
    "2a": "deleted after 395 days",
    "2b": "(Art. 15)",
    "2b, portability": "(Art. 20)",
    "2b, all of it": "events that were sent of late, `stratus telemetry show` the next one. For all",
    "2c": "Withdraw your consent at any time, as easily as it is given (Art. 7(3))",
    "2d": "supervisory authority (Art. 77)",
    "2e": "not obliged to agree, by law\nor by contract",
    "2f": "no automated decision-making and no profiling (Art. 22)",
}


@pytest.mark.parametrize("letter", ART_13)
def test_the_privacy_notice_says_what_art_13_asks_for(letter: str) -> None:
    assert ART_13[letter] in notices.document(CONTRACT, "art13")


@pytest.mark.parametrize("letter", "abcdefg")
def test_the_record_has_every_letter_of_art_30(letter: str) -> None:
    assert f"({letter})" in notices.document(CONTRACT, "art30")


def test_a_collector_on_this_machine_is_not_said_to_use_tls() -> None:
    local = parse(GOOD.replace("https://telemetry.example.org", "http://127.0.0.1:8600"))
    assert "TLS" not in notices.document(local, "telemetry")
    assert "TLS" not in notices.document(local, "art30")


def test_the_prompt_is_what_a_user_sees(program: Program) -> None:
    terminal = program.terminal("read", columns=80)
    terminal.expect("Yes, I agree to share usage data with")
    terminal.send("n")
    terminal.expect("ready")
    assert notices.prompt(program.contract()) in "\n".join(terminal.lines)


def test_what_the_makers_wrote_stays_when_the_contract_changes() -> None:
    text = notices.document(CONTRACT, "art13")
    mine = "Mine, above.\n\n" + text.replace(
        "[fill in: name and website]", "CNIL, https://www.cnil.fr"
    )
    assert notices.stale(mine, CONTRACT) == ""
    assert notices.stale(mine, WIDER) == "no longer matches the contract"
    renewed = notices.renew(mine, WIDER, "art13")
    assert notices.stale(renewed, WIDER) == ""
    assert renewed.startswith("Mine, above.")
    assert "CNIL" in renewed
    assert renewed.replace("400 days", "395 days").count("\n") == mine.count("\n")


def test_an_edit_between_the_marks_is_told_apart() -> None:
    text = notices.document(CONTRACT, "telemetry").replace("No has no", "No has a")
    assert "edited by hand" in notices.stale(text, CONTRACT)


def test_two_forms_may_share_a_document() -> None:
    both = notices.document(CONTRACT, "telemetry") + notices.document(CONTRACT, "prompt")
    assert notices.forms_in(both) == ["telemetry", "prompt"]
    assert notices.stale(both, CONTRACT) == ""
    half = notices.renew(both, WIDER, "prompt")
    assert notices.stale(half, WIDER) != ""
    assert notices.stale(notices.renew(half, WIDER, "telemetry"), WIDER) == ""


def test_the_notice_names_everything_that_is_collected() -> None:
    text = notices.telemetry(CONTRACT)
    for name in (
        "id",
        "installationId",
        "timestamp",
        "cli.version",
        "cli.command",
        *CONTRACT.fields,
    ):
        assert f"| `{name}` |" in text
    for command in CONTRACT.commands:
        assert f"`{command}`" in text
    for said in (CONTRACT.digest, CONTRACT.contact, CONTRACT.collector, "STRATUS_TELEMETRY=0"):
        assert said in text


def test_a_purpose_cannot_break_the_table() -> None:
    assert "a \\| b" in notices.telemetry(parse(GOOD.replace("Where must it run?", "a | b")))
