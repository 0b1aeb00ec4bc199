from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.contract.version import is_newer, is_released, precedence

ASCENDING = [
    "1.0.dev1",
    "1.0a1.dev2",
    "1.0a1",
    "1.0a2",
    "1.0b1",
    "1.0rc1.dev1",
    "1.0rc1",
    "1.0.0-rc.2",
    "1.0",
    "1.0.post1.dev1",
    "1.0.post1",
    "1.0.1",
    "1.1",
    "9.0.0",
    "10.0.0-alpha",
    "10.0.0-alpha.1",
    "10.0.0-alpha.beta",
    "10.0.0-beta",
    "10.0.0-beta.2",
    "10.0.0-beta.11",
    "10.0.0-rc.1",
    "10.0.0",
    "10.1",
    "1!0.1",
]


def test_sorts_by_precedence_never_by_text() -> None:
    shuffled = random.Random(1).sample(ASCENDING, len(ASCENDING))
    assert sorted(shuffled, key=precedence) == ASCENDING


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.0", "1.0.0"),
        ("1.0.0-rc.1", "1.0.0rc1"),
        ("v1.2.3", "1.2.3"),
        ("1.2.3+linux", "1.2.3"),
        ("1.0-1", "1.0.post1"),
        ("1.0.0a1", "1.0.0.alpha.1"),
        ("1.0c1", "1.0rc1"),
        ("1.0rev2", "1.0.post2"),
    ],
)
def test_takes_spellings_of_one_version_as_equal(one: str, other: str) -> None:
    assert precedence(one) == precedence(other) is not None
    assert not is_newer(one, other)
    assert not is_newer(other, one)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latest",
        "x",
        "1..2",
        "1.0-",
        "1.0.0-",
        "1.0.0-a..b",
        "1.0.0-ä",
        "1!",
        "!1",
        "a!1.0",
        "1.0x1",
    ]
    + ["1.0.dev1.dev2", "1.0rc1rc2", "1.0.post1.post2", "1.0.post1a1", "1" * 300, "\u0661.\u0662"],
)
def test_refuses_what_is_no_version(text: str) -> None:
    assert precedence(text) is None
    assert not is_released(text)
    assert not is_newer(text, "0.1")
    assert not is_newer("99.0", text)


@pytest.mark.parametrize(
    "text",
    ["1.0", "1.0.0", "3.12.1", "2026.11.25", "1.0rc1", "1.0.post1", "1.0.0-rc.1", "1.0.0-beta2"]
    + ["1.2.3.4", "12345678.0"],
)
def test_lets_released_versions_through(text: str) -> None:
    assert is_released(text)


@pytest.mark.parametrize(
    "text",
    ["3", "1.2.3.4.5", "v1.0", " 1.0", "1.0 ", "1!1.0", "1.0+abc", "1.0.dev1", "1.0.0-johns-laptop"]
    + ["1.0.0-rc.1.secret", "1.0.0-12345", "1.0.0-rc.99999", "123456789.0", "1.0rc12345", "1.0.0-1"]
    + ["1.0.0-rcrcrcrcrcrcrc", "", None, 1.0, 12, "1.0\n", "0.1.2-" + "a" * 40],
)
def test_holds_back_whatever_could_carry_something_else(text: object) -> None:
    assert not is_released(text)


@given(st.text(max_size=60))
def test_any_text_is_read_without_failing(text: str) -> None:
    key = precedence(text)
    assert key is None or key == precedence(text)
    assert not is_released(text) or (key is not None and len(text) <= 40)


@given(st.text(alphabet="0123456789.-+!abcdevrpost ", max_size=24), st.text(max_size=24))
def test_any_two_versions_can_be_compared(one: str, other: str) -> None:
    left, right = precedence(one), precedence(other)
    if left is not None and right is not None:
        assert (left < right) + (left == right) + (left > right) == 1
