"""What forms an event in `askfirst.usual`; its queue and memory are in tests/client/test_client.py."""

from __future__ import annotations

import enum
import json
import time
from functools import reduce
from operator import and_, or_
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from askfirst import usual
from askfirst.contract import jsontext, version
from askfirst.contract.event import MalformedError, new_installation, treat
from askfirst.contract.model import Field
from askfirst.usual import dumps, new_id, now_ms, quoted
from tests.contract.test_jsontext import VALUES


@settings(deadline=None)
@given(VALUES)
def test_writes_what_json_writes(value: object) -> None:
    assert dumps(value) == jsontext.dumps(value) == json.dumps(value, separators=(",", ":"))


@settings(deadline=None)
@given(st.text(st.characters(max_codepoint=300)))
@example('say "no"')
@example("C:\\temp")
@example("\x7f")
def test_quotes_as_json_does(text: str) -> None:
    assert quoted(text) == json.dumps(text)


def test_an_enum_of_texts_is_its_text() -> None:
    class Colour(str, enum.Enum):
        RED = "red"

    assert quoted(Colour.RED) == '"red"'


def test_every_text_is_quoted_in_the_way_that_was_asked_for() -> None:
    nested = {"a": ["b", {"c": ("d",)}], "e": "f"}
    assert dumps(nested, "<{}>".format) == "{<a>:[<b>,{<c>:[<d>]}],<e>:<f>}"


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (float("nan"), ValueError, "^nan is not JSON$"),
        ([float("-inf")], ValueError, "^-inf is not JSON$"),
        ({"a": {1}}, TypeError, "^set has no JSON form$"),
        (b"x", TypeError, "^bytes has no JSON form$"),
    ],
)
def test_what_is_no_json_is_named(value: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        dumps(value)


# -- treatments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("treatment", "value", "said"),
    [
        ("hash", b"chat", "x takes text or a number, not bytes"),
        ("flag", "true", "x takes True or False, not str"),
        ("bucket", "3", "x takes a number, not str"),
        ("bucket", True, "x takes a number, not bool"),
    ],
)
def test_what_a_treatment_does_not_take_is_named_by_its_type_only(
    treatment: str, value: object, said: str
) -> None:
    """Not by its value: that could be anything, and errors end up in logs."""
    with pytest.raises(MalformedError) as caught:
        treat(Field("x", treatment, "", (), (1,)), value, "")
    assert str(caught.value) == said


NUMBER = st.integers(0, 10**9).map(str) | st.sampled_from(["", "x", "01", "\u0661", "12345678"])
TAIL = st.sampled_from(["", "rc1", "-rc.1", ".dev1", "+local", ".post1", " ", "-x.y"])


@settings(deadline=None)
@given(st.builds(lambda parts, tail: ".".join(parts) + tail, st.lists(NUMBER, max_size=6), TAIL))
@example("1")
@example("1.2")
@example("1.2.3.4")
@example("1.2.3.4.5")
@example("1.x")
@example("1.12345678")
@example("1.123456789")
@example("1.0.0rc1")
@example("\u0661.\u0662")
def test_the_quick_look_at_a_version_sees_what_the_long_one_does(text: str) -> None:
    assert usual._is_released(text) == version.is_released(text)


# -- ids and time -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "fixed"),
    [
        (new_installation, 0xF << 76 | 0b11 << 62),
        (lambda: new_id(0), (2**48 - 1) << 80 | 0xF << 76 | 0b11 << 62),
        (lambda: new_id(2**48 - 1), (2**48 - 1) << 80 | 0xF << 76 | 0b11 << 62),
    ],
    ids=["installation", "id of the first moment", "id of the last moment"],
)
def test_every_bit_that_is_not_laid_down_is_random(make: object, fixed: int) -> None:
    """RFC 9562, 5.4 and 5.7: of 300, every such bit is set in some and not set in others."""
    assert callable(make)
    values = [UUID(make()).int for _ in range(300)]
    ever, always = reduce(or_, values), reduce(and_, values)
    assert ever ^ always == 2**128 - 1 & ~fixed


@pytest.mark.parametrize("moment", [0, 1, 1_795_417_883_503, 2**47 + 1, 2**48 - 1])
def test_the_moment_of_an_id_can_be_read_from_it(moment: int) -> None:
    assert UUID(new_id(moment)).int >> 80 == moment


def test_now_is_a_whole_number_of_ms_between_before_and_after() -> None:
    before = time.time_ns()
    now = now_ms()
    after = time.time_ns()
    assert isinstance(now, int)
    assert before // 10**6 <= now <= after // 10**6
