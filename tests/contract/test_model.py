from __future__ import annotations

import json

import pytest

from askfirst.contract.loading import parse
from askfirst.contract.model import AGREEMENT_OF_2018, Contract, Field
from tests.contract.test_loading import GOOD

OF_2018 = """
[tool]
name = "stratus"
title = "Stratus CLI"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 395
commands = ["start", "stop", "restart", "reload"]
[fields.runtime]
treatment = "version"
purpose = "p"
[fields."application.name"]
treatment = "hash"
purpose = "p"
[fields."application.env"]
treatment = "hash"
purpose = "p"
"""


def agreed_to(contract: Contract) -> dict[str, object]:
    """The agreement as it comes back from a dotfile."""
    kept: dict[str, object] = json.loads(json.dumps(contract.agreement()))
    return kept


def test_a_contract_collects_no_more_than_itself() -> None:
    contract = parse(GOOD)
    assert contract.collects_more_than(agreed_to(contract)) == []


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        ('"db migrate"]', '"db migrate", "db drop"]', ["the command db drop"]),
        ('["linux", "macos"]', '["linux", "macos", "bsd"]', ["more of the field os"]),
        ("[1, 2.5, 10]", "[1, 2.5, 5, 10]", ["more of the field services"]),
        (
            '"hash"\npurpose = "How many',
            '"version"\npurpose = "How many',
            ["more of the field application.name"],
        ),
        ("[fields.ci]", "[fields.machine]", ["the field machine"]),
        ('"the native web"', '"somebody else"', ["a new controller, somebody else"]),
        ("retention_days = 395", "retention_days = 396", ["a longer retention, 396 days"]),
    ],
)
def test_more_is_told_in_words(old: str, new: str, more: list[str]) -> None:
    assert old in GOOD
    assert parse(GOOD.replace(old, new)).collects_more_than(agreed_to(parse(GOOD))) == more


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"stop", "db migrate"]', '"stop"]'),
        ('["linux", "macos"]', '["linux"]'),
        ("[1, 2.5, 10]", "[1, 10]"),
        ("retention_days = 395", "retention_days = 30"),
        ("Which runtime versions must we keep supporting?", "Which ones?"),
        ("https://telemetry.example.org", "https://other.example.org"),
        ('"1.4.0" = 2026-10-01', '"1.6.0" = 2026-12-01'),
    ],
)
def test_a_narrower_contract_collects_no_more(old: str, new: str) -> None:
    assert old in GOOD
    assert parse(GOOD.replace(old, new)).collects_more_than(agreed_to(parse(GOOD))) == []


def test_an_answer_without_agreement_agreed_to_the_fields_of_2018() -> None:
    assert parse(OF_2018).collects_more_than(None) == []
    assert parse(OF_2018.replace('"reload"', '"init"')).collects_more_than(None) == [
        "the command init"
    ]
    assert "the field os" in parse(GOOD).collects_more_than(None)
    assert parse(OF_2018).collects_more_than(AGREEMENT_OF_2018) == []


@pytest.mark.parametrize(
    "agreed",
    [
        {},
        {"fields": [], "commands": {}},
        {"fields": {"runtime": "version"}},
        {"fields": {"runtime": []}},
    ],
)
def test_what_is_not_understood_was_not_agreed_to(agreed: dict[str, object]) -> None:
    more = parse(OF_2018).collects_more_than(agreed)
    assert any("runtime" in sentence for sentence in more)
    assert any("command start" in sentence for sentence in more)
    contract = parse(OF_2018)
    for days in ("395", None, True, 394.0):
        kept = {**agreed_to(contract), "retention_days": days}
        assert contract.collects_more_than(kept) == ["a longer retention, 395 days"]


def test_a_field_is_what_it_was_made_of() -> None:
    field = Field("os", "choice", "Where must it run?", ("linux", "macos"), (1, 2.5))
    assert (field.name, field.treatment, field.purpose) == ("os", "choice", "Where must it run?")
    assert (field.values, field.buckets) == (("linux", "macos"), (1, 2.5))
    assert field.agreement() == ["choice", "linux", "macos", 1, 2.5]
    plain = Field("ci", "flag", "Why?")
    assert (plain.values, plain.buckets, plain.labels()) == ((), (), ())


@pytest.mark.parametrize(
    ("field", "labels"),
    [
        (Field("os", "choice", "", ("linux",)), ("linux", "other")),
        (Field("os", "choice", "", ("other", "linux")), ("other", "linux")),
        (Field("n", "bucket", "", (), (5,)), ("<5", ">=5")),
        (Field("n", "bucket", "", (), (-1, 0, 2.5)), ("<-1", "-1 to <0", "0 to <2.5", ">=2.5")),
    ],
)
def test_every_text_that_a_field_can_send_is_listed_once(
    field: Field, labels: tuple[str, ...]
) -> None:
    assert field.labels() == labels
