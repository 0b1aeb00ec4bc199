from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.contract.jsontext import canonical, dumps, loads

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES)
def test_writes_what_json_writes(value: object) -> None:
    assert dumps(value) == json.dumps(value, separators=(",", ":"))
    assert canonical(value) == json.dumps(value, separators=(",", ":"), sort_keys=True)
    assert loads(dumps(value)) == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_refuses_numbers_that_json_has_not(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON"):
        dumps(value)


def test_refuses_types_that_json_has_not() -> None:
    with pytest.raises(TypeError, match="set has no JSON form"):
        dumps({"a": {1}})


BARE = """
import sys
sys.path.append(sys.argv[1])
from askfirst.contract.jsontext import loads
for text in sys.argv[2:]:
    try:
        print(repr(loads(text)))
    except ValueError:
        print("refused")
print("json" in sys.modules and "not needed" or "without json")
"""


TEXTS = [
    (' {"a": [1, 2.5, null, true]}\n', "{'a': [1, 2.5, None, True]}"),
    ('"x"', "'x'"),
    ("1 2", "refused"),
    ("NaN", "refused"),
    ("", "refused"),
    ("   ", "refused"),
    ('{"a":', "refused"),
    ('{"a"}', "refused"),
    ("[1,]", "refused"),
    ("nul", "refused"),
    ("'x'", "refused"),
    ('"a\nb"', "refused"),
]


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_reads_the_same_with_and_without_the_json_module(text: str, expected: str) -> None:
    src = str(__import__("askfirst").__path__[0]).rsplit("/", 1)[0]
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE, src, text],
        capture_output=True,
        text=True,
        check=True,
    )
    assert bare.stdout.splitlines()[0] == expected
    try:
        assert repr(loads(text)) == expected
    except ValueError:
        assert expected == "refused"


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_the_scanner_alone_reads_the_same(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    """In this process, with the module out of sight."""
    monkeypatch.delitem(sys.modules, "json")
    if expected == "refused":
        with pytest.raises(ValueError):
            loads(text)
        return
    assert repr(loads(text)) == expected
    assert "json" not in sys.modules


def test_reading_good_json_does_not_load_the_json_module() -> None:
    src = str(__import__("askfirst").__path__[0]).rsplit("/", 1)[0]
    bare = subprocess.run(
        [sys.executable, "-I", "-S", "-c", BARE, src, '{"a": "ä"}'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert bare.stdout.splitlines()[-1] == "without json"
