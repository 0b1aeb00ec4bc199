"""What changes between two contracts, told apart by the code that decides on users' machines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.cli.difference import EFFECTS, NARROWS, NEUTRAL, WIDENS, compare
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract, Field
from tests.contract.test_loading import GOOD

OLD = parse(GOOD)
TEXT = st.sampled_from(["a", "b", "c"])
FIELD = st.one_of(
    st.builds(Field, st.just(""), st.sampled_from(["hash", "version", "flag"]), TEXT),
    st.builds(
        lambda purpose, values: Field("", "choice", purpose, tuple(values)),
        TEXT,
        st.lists(TEXT, min_size=1, unique=True),
    ),
    st.builds(
        lambda purpose, bounds: Field("", "bucket", purpose, (), tuple(sorted(bounds))),
        TEXT,
        st.lists(st.integers(1, 4), min_size=1, unique=True),
    ),
)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    fields = draw(st.dictionaries(TEXT, FIELD, max_size=3))
    for name, field in fields.items():
        field.name = name
    own: dict[str, Any] = {
        key: draw(TEXT)
        for key in ("name", "title", "organisation", "collector", "details", "contact")
    }
    return Contract(
        **own,
        retention_days=draw(st.integers(1, 3)),
        commands=tuple(draw(st.lists(TEXT, min_size=1, unique=True))),
        fields=fields,
        releases=draw(st.dictionaries(TEXT, st.sampled_from(["2026-01-01", "2026-02-01"]))),
        state=draw(st.sampled_from(["home", "xdg"])),
    )


@settings(max_examples=150)
@given(contracts(), contracts())
def test_the_changes_add_up_to_what_a_users_client_decides(old: Contract, new: Contract) -> None:
    found = compare(old, new)
    assert found.more == new.collects_more_than(old.agreement())
    assert found.widens == any(change.effect == WIDENS for change in found.changes)
    narrower = old.collects_more_than(new.agreement())
    if any(change.effect == NARROWS for change in found.changes):
        assert narrower
    if narrower:
        assert any(change.effect != NEUTRAL for change in found.changes)
    assert bool(found.changes) == (old.digest != new.digest)
    order = [EFFECTS.index(change.effect) for change in found.changes]
    assert order == sorted(order)


ONE_CHANGE = [
    ("395", "400", WIDENS, "events are kept for 400 days, was 395"),
    ("395", "30", NARROWS, "events are kept for 30 days, was 395"),
    ('"start", ', '"start", "x", ', WIDENS, "records the command x"),
    ('"start", ', "", NARROWS, "no longer records the command start"),
    ('"start", "stop"', '"stop", "start"', NEUTRAL, "lists the commands in another order"),
    ("the native web", "Acme", WIDENS, "the controller becomes Acme, was the native web"),
    ('"flag"', '"version"', WIDENS, "the field ci (version, was flag) is sent as: as it is"),
    (
        '"linux", ',
        '"linux", "bsd", ',
        WIDENS,
        "the field os (choice) is sent as: one of linux, bsd",
    ),
    ('"linux", ', "", NARROWS, "the field os (choice) is sent as: one of macos, other"),
    ("[1, 2.5, 10]", "[1, 2, 2.5, 10]", WIDENS, "the field services (bucket)"),
    ("[1, 2.5, 10]", "[1, 10]", NARROWS, "the field services (bucket)"),
    ("Is it used by machines?", "Is it?", NEUTRAL, "give the field another name"),
    ("telemetry.example.org", "t.example.org", NEUTRAL, "events go there from now on"),
    ('name = "stratus"', 'name = "cumulus"', NEUTRAL, "asked from the start"),
    ("Stratus CLI", "Stratus", NEUTRAL, "title becomes 'Stratus', was 'Stratus CLI'"),
    ("2026-10-01", "2026-10-02", NEUTRAL, "the release 1.4.0 has 2026-10-02, was 2026-10-01"),
    ("[fields.ci]", "[fields.x]", WIDENS, "collects the field x: yes or no; Is it used by"),
]


@pytest.mark.parametrize(("was", "now", "effect", "said"), ONE_CHANGE)
def test_each_change_is_said_in_words(was: str, now: str, effect: str, said: str) -> None:
    assert was in GOOD
    changes = compare(OLD, parse(GOOD.replace(was, now))).changes
    assert (changes[0].effect, len(changes)) == (effect, 2 if "[fields.x]" in now else 1)
    assert said in changes[0].text


def test_a_field_that_goes_is_less() -> None:
    row = '[fields.ci]\ntreatment = "flag"\npurpose = "Is it used by machines?"\n'
    [change] = compare(OLD, parse(GOOD.replace(row, ""))).changes
    assert (change.effect, change.key) == (NARROWS, "fields.ci")
    assert change.text == "no longer collects the field ci"
