"""The fast way: it takes what the client forms, and never what the steps would not take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askfirst.collector import compiled
from askfirst.collector.compiled import MOST_EVENTS, Released
from askfirst.collector.frames import moments, pieces
from askfirst.collector.ingest import take_by_steps
from askfirst.contract.version import is_released
from tests.collector.bodies import HASH, NOW, SECRET, TERMS, batch, check, full_event

TOOLS = ("stratus", "nimbus")


def fast(value: Any) -> compiled.Checked | None:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return TERMS[value["tool"] if isinstance(value, dict) else "stratus"].compiled.take(
        body, NOW, None
    )


@pytest.mark.parametrize("tool", TOOLS)
def test_what_the_client_forms_goes_the_fast_way(tool: str) -> None:
    event = full_event(tool)
    always = {key: event[key] for key in ("id", "installationId", "timestamp", "cli")}
    value = batch(event, always, full_event(tool, 3), tool=tool, contract="sha256:of-an-older-one")
    checked = fast(value)
    assert checked is not None
    frame, refused = checked
    assert refused == []
    assert frame == check_frame(value)
    assert set(frame.fields) == set(TERMS[tool].contract.fields)
    assert all(column[1] is None for column in frame.fields.values())


def check_frame(value: Any) -> Any:
    """Return the frame that the steps make."""
    from askfirst.collector.frames import decode

    return decode(take_by_steps(json.dumps(value).encode(), TERMS, NOW).payload)


@pytest.mark.parametrize("tool", TOOLS)
def test_each_declared_field_may_be_missing(tool: str) -> None:
    event = full_event(tool)
    for key in set(event) - {"id", "installationId", "timestamp", "cli"}:
        less = {name: value for name, value in event.items() if name != key}
        assert fast(batch(less, event, tool=tool)) is not None
        check("events", json.dumps(batch(less, event, tool=tool)).encode())


def test_a_field_that_no_event_has_is_no_column() -> None:
    event = full_event("stratus") | {"application": {"env": HASH}}
    del event["system"]
    checked = fast(batch(event, event))
    assert checked is not None
    assert "system" not in checked[0].fields
    assert "application.name" not in checked[0].fields
    assert checked[0].fields["application.env"] == [HASH, HASH]


DOUBTFUL = [
    {"user": 1},
    {"application": {}},
    {"application": None},
    {"application": {"name": HASH, "path": "/"}},
    {"application": {"name": HASH.upper()}},
    {"application": {"name": HASH[:-2] + "  "}},
    {"runtime": "1.2.3+local"},
    {"runtime": None},
    {"system": "plan9"},
    {"interactive": 1},
    {"machine": {"cores": 4}},
    {"timestamp": float(NOW)},
    {"timestamp": True},
    {"timestamp": 0},
    {"timestamp": 2**80},
    {"timestamp": NOW + 2 * 86_400_000},
    {"id": "1ca6c0d745cb45479c0d5af6295d0ece"},
    {"id": "1ca6c0d7-45cb-4547-9c0d-5af6295d0ec-"},
    {"id": "1ca6c0d7-45cb-4547-9c0d-5af6295d0e  "},
    {"id": "1ca6c0d74-5cb-4547-9c0d-5af6295d0ece"},
    {"installationId": "9D" * 32},
    {"installationId": "9d" * 31},
    {"cli": {"version": "3.1.2", "command": "deploy"}},
    {"cli": {"version": "3.1.2"}},
    {"cli": {"version": "3", "command": "start"}},
]


@pytest.mark.parametrize("change", DOUBTFUL, ids=str)
def test_one_event_that_is_not_as_the_client_forms_it_leaves_the_batch_to_the_steps(
    change: dict[str, Any],
) -> None:
    value = batch(full_event("stratus", 1), full_event("stratus", 2) | change)
    assert fast(value) is None
    check("events", json.dumps(value).encode())


def test_texts_of_the_right_length_only_together_are_not_taken() -> None:
    one, other = full_event("stratus", 1), full_event("stratus", 2)
    for key, size in (("id", 18), ("installationId", 32)):
        whole = one[key] + other[key]
        value = batch(one | {key: whole[:-size]}, other | {key: whole[-size:]})
        assert fast(value) is None
        assert check("events", json.dumps(value).encode())["accepted"] == 0


@pytest.mark.parametrize("change", [{"runtime": ""}, {"application": {"name": ""}}], ids=str)
def test_an_empty_text_is_not_taken_for_a_missing_one(change: dict[str, Any]) -> None:
    missing = full_event("stratus", 1)
    del missing["runtime"], missing["application"]
    value = batch(missing, full_event("stratus", 2) | change)
    assert fast(value) is None
    assert check("events", json.dumps(value).encode())["accepted"] == 1


def test_no_events_and_too_many_are_left_to_the_steps() -> None:
    assert fast(batch()) is None
    assert fast(batch(*[full_event("stratus")] * MOST_EVENTS)) is not None
    assert fast(batch(*[full_event("stratus")] * (MOST_EVENTS + 1))) is None


def test_admission_is_asked_once_for_each_event_in_order() -> None:
    events = [full_event("stratus", number) for number in range(1, 5)]
    asked: list[tuple[str, bytes, int]] = []

    def admit(*row: Any) -> bool:
        asked.append(row)
        return len(asked) in (1, 4)

    body = json.dumps(batch(*events)).encode()
    checked = TERMS["stratus"].compiled.take(body, NOW, admit)
    assert checked is not None
    frame, refused = checked
    installations = [bytes.fromhex(event["installationId"]) for event in events]
    assert asked == [
        ("stratus", installation, event["timestamp"])
        for installation, event in zip(installations, events, strict=True)
    ]
    assert refused == [(events[at]["id"], "daily-cap") for at in (1, 2)]
    assert pieces(frame.installation, 32) == [installations[0], installations[3]]
    assert moments(frame.timestamp) == [events[0]["timestamp"], events[3]["timestamp"]]
    assert [bytes.hex(id_) for id_ in pieces(frame.id, 16)] == [
        events[0]["id"].replace("-", ""),
        events[3]["id"].replace("-", ""),
    ]


def test_admission_is_not_asked_while_anything_is_in_doubt() -> None:
    def admit(*_: Any) -> bool:
        raise AssertionError("asked too early")

    body = json.dumps(batch(full_event("stratus"), full_event("stratus") | {"user": 1})).encode()
    assert TERMS["stratus"].compiled.take(body, NOW, admit) is None


def test_versions_are_read_once_and_only_so_many_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[object] = []
    monkeypatch.setattr(
        compiled, "is_released", lambda text: read.append(text) or is_released(text)
    )
    released = Released(most=3)
    for _ in range(2):
        assert released.cover(["1.0", "2.0", "1.0"])
    assert sorted(map(str, read)) == ["1.0", "2.0"]
    assert not released.cover(["1.0", SECRET])
    assert not released.cover(["1.0", SECRET])
    assert read.count(SECRET) == 2  # what is no version is not kept
    assert released.cover(["3.0", "4.0"])
    assert released._known == {"3.0", "4.0"}
    assert released.cover(["1.0"])
    assert read.count("1.0") == 2


# Anything at all: the same frame, drops, counts and refusals as the steps (`check`)

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(NOW - 400 * 86_400_000, NOW + 2 * 86_400_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=10).map(lambda text: SECRET + text),
    st.sampled_from([
        HASH, HASH.upper(), "1.2.3", "1.0rc1", "linux", "other", "2 to <8", f"1.2.3-{SECRET}",
        "1ca6c0d7-45cb-4547-9c0d-5af6295d0ece", "1CA6C0D7-45CB-4547-9C0D-5AF6295D0ECE", "", "start",
    ]),
)  # fmt: skip
names = st.one_of(
    st.text(max_size=8).map(lambda text: SECRET + text),
    st.sampled_from([
        "id", "installationId", "timestamp", "cli", "version", "command", "runtime", "application",
        "name", "env", "system", "interactive", "machine", "cores", "a", "b", "c", "d", "e", "class",
        "import", "from", "solo", "leaf", "application.name",
    ]),
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=5,
)
changes = st.dictionaries(names, trees, max_size=2)
tools = st.sampled_from(TOOLS)
digests = st.sampled_from([{}, {"contract": None}, {"contract": "sha256:" + "0" * 64}])


def written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@given(events=st.lists(trees, max_size=3), tool=tools, digest=digests)
@settings(max_examples=200, deadline=None)
def test_both_ways_agree_on_anything(events: list[Any], tool: str, digest: dict[str, Any]) -> None:
    check("events", written(batch(*events, tool=tool, **digest)))


@given(edits=st.lists(changes, min_size=1, max_size=2), tool=tools, digest=digests)
@settings(max_examples=150, deadline=None)
def test_both_ways_agree_on_events_that_are_nearly_right(
    edits: list[dict[str, Any]], tool: str, digest: dict[str, Any]
) -> None:
    events = [full_event(tool, number) | edit for number, edit in enumerate(edits, 1)]
    check("events", written(batch(*events, tool=tool, **digest)))


@given(
    edit=changes, tool=tools, key=st.sampled_from(["cli", "application", "machine", "a", "solo"])
)
@settings(max_examples=150, deadline=None)
def test_both_ways_agree_on_objects_that_are_nearly_right(
    edit: dict[str, Any], tool: str, key: str
) -> None:
    event = full_event(tool)
    event[key] = event.get(key, {}) | edit
    check("events", written(batch(event, tool=tool)))


@given(
    tool=tools,
    spots=st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 3), st.binary(max_size=3)),
        min_size=1,
        max_size=3,
    ),
)
@settings(max_examples=300, deadline=None)
def test_both_ways_agree_on_bytes(tool: str, spots: list[tuple[int, int, bytes]]) -> None:
    body = written(batch(full_event(tool), tool=tool))
    for at, length, new in spots:
        body = body[:at] + new + body[at + length :]
    check("events", body)
