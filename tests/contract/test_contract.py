"""`askfirst.contract` itself: what a program loads when it records a command."""

from __future__ import annotations

import enum
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.contract import dumps, jsontext, quoted
from tests.contract.test_jsontext import VALUES


@settings(deadline=None)
@given(VALUES)
def test_writes_what_json_writes(value: object) -> None:
    assert dumps(value) == jsontext.dumps(value) == json.dumps(value, separators=(",", ":"))


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=300)))
def test_quotes_as_json_does(text: str) -> None:
    assert quoted(text) == json.dumps(text)


def test_an_enum_of_texts_is_its_text() -> None:
    class Colour(str, enum.Enum):
        RED = "red"

    assert quoted(Colour.RED) == '"red"'
