"""The steps at the door: what the contract does not declare is not kept, whatever was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from askfirst.collector.frames import decode, encode, moments, pieces
from askfirst.collector.pipeline import DropReason, Rules, Terms, sift
from askfirst.contract.event import form, new_id, new_installation, now_ms
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS

Event = Callable[..., dict[str, Any]]
HASH = "ab" * 32
SECRET = "x7Qsmuggled"  # stands in every value that no contract lets through


def reason(contract: Contract, event: object, *, lenient: bool = False, now: int = 0) -> str | None:
    """Return why an event is dropped, or None."""
    sifted = sift([event], Rules(Terms(contract), now or now_ms(), lenient))
    return sifted.dropped[0][1].value if sifted.dropped else None


def test_an_event_the_client_formed_passes_unchanged(contract: Contract) -> None:
    values: dict[str, object] = {
        "runtime": "2.0.0",
        "application.name": "chat",
        "application.env": "default",
        "system": "plan9",
        "interactive": True,
        "machine.cores": 4,
    }
    now = now_ms()
    formed = form(
        contract,
        command="start",
        version="1.4.0",
        installation=new_installation(),
        values=values,
        id=new_id(now),
        timestamp=now,
    )
    sifted = sift([json.loads(formed.encode())], Rules(Terms(contract), now))
    assert sifted.dropped == []
    assert sifted.frame.counts == {}
    assert sifted.frame.fields == {name: [value] for name, value in formed.fields.items()}
    assert sifted.frame.id == bytes.fromhex(formed.id.replace("-", ""))
    assert sifted.frame.installation == bytes.fromhex(formed.installation_id)
    assert (moments(sifted.frame.timestamp), sifted.frame.command) == ([now], ["start"])


MALFORMED = [
    {"id": None},
    {"id": 7},
    {"id": "not a uuid"},
    {"id": "1ca6c0d7-45cb-4547-9c0d-5af6295d0ec\u212a"},
    {"installationId": None},
    {"installationId": "9D" * 32},
    {"installationId": "9d" * 31},
    {"timestamp": None},
    {"timestamp": "1795417883502"},
    {"timestamp": 1795417883502.0},
    {"timestamp": True},
    {"cli": None},
    {"cli": "3.1.2"},
    {"cli": {"command": "start"}},
    {"cli": {"version": "3.1.2"}},
    {"cli": {"version": "3.1.2+host.local", "command": "start"}},
    {"cli": {"version": "3.1.2", "command": ["start"]}},
]


@pytest.mark.parametrize("change", MALFORMED, ids=str)
@pytest.mark.parametrize("lenient", [False, True])
def test_what_every_event_has_must_be_well_formed(
    contract: Contract, event: Event, change: dict[str, Any], lenient: bool
) -> None:
    assert reason(contract, event(**change), lenient=lenient) == "malformed-field"


@pytest.mark.parametrize("thing", [None, 1, "text", [], [["id", "x"]]])
def test_what_is_no_object_is_malformed(contract: Contract, thing: object) -> None:
    assert reason(contract, thing) == "malformed-field"


UNDECLARED = [
    {"user": "golo"},
    {"application": {"name": HASH, "path": "/home"}},
    {"application": {}},
    {"application": HASH},
    {"application.name": HASH},
    {"cli": {"version": "3.1.2", "command": "start", "arguments": []}},
    {"runtime": {"version": "2.0.0"}},
    {"": 1},
]


@pytest.mark.parametrize("change", UNDECLARED, ids=str)
def test_what_is_not_declared_drops_the_event(
    contract: Contract, event: Event, change: dict[str, Any]
) -> None:
    expected = "malformed-field" if "runtime" in change else "undeclared-field"
    assert reason(contract, event(**change)) == expected


@pytest.mark.parametrize("change", UNDECLARED, ids=str)
def test_under_another_contract_it_is_removed_and_counted_without_its_name(
    contract: Contract, event: Event, change: dict[str, Any]
) -> None:
    sifted = sift([event(**change)], Rules(Terms(contract), now_ms(), lenient=True))
    expected = "removed:runtime" if "runtime" in change else "removed:undeclared"
    assert sifted.frame.counts == {expected: 1}
    assert sifted.accepted == 1


UNTREATED = [
    {"runtime": "latest"},
    {"runtime": None, "application": {"name": "chat"}},
    {"system": "plan9"},
    {"interactive": "true"},
    {"interactive": 1},
    {"machine": {"cores": 4}},
    {"machine": {"cores": "2"}},
    {"application": {"name": [HASH]}},
]


@pytest.mark.parametrize("change", UNTREATED, ids=str)
def test_a_value_that_its_treatment_cannot_give_drops_the_event(
    contract: Contract, event: Event, change: dict[str, Any]
) -> None:
    assert reason(contract, event(**change)) == "malformed-field"
    sifted = sift([event(**change)], Rules(Terms(contract), now_ms(), lenient=True))
    assert sifted.accepted == 1
    assert len(sifted.frame.counts) == 1


def test_an_unknown_command_is_dropped(contract: Contract, event: Event) -> None:
    wrong = event(cli={"version": "3.1.2", "command": "deploy"})
    assert reason(contract, wrong) == "unknown-command"
    assert reason(contract, wrong, lenient=True) == "unknown-command"


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (0, None),
        (395 * DAY_MS, None),
        (395 * DAY_MS + 1, "too-old"),
        (10**30, "too-old"),
        (-DAY_MS, None),
        (-DAY_MS - 1, "from-future"),
        (-(10**30), "from-future"),
    ],
)
def test_only_what_retention_keeps_and_what_has_happened_is_taken(
    contract: Contract, event: Event, age: int, expected: str | None
) -> None:
    now = 1_795_417_883_502
    assert reason(contract, event(timestamp=now - age), now=now) == expected


def test_an_upper_case_id_is_the_same_id(contract: Contract, event: Event) -> None:
    lower = event()
    upper = {**lower, "id": lower["id"].upper()}
    frame = sift([lower, upper], Rules(Terms(contract), now_ms())).frame
    one, other = pieces(frame.id, 16)
    assert one == other


def test_a_dropped_event_is_named_by_its_id_only_if_that_is_one(
    contract: Contract, event: Event
) -> None:
    good = event(user="golo")
    dropped = sift(
        [good, event(id="<script>"), event(id=None), 7], Rules(Terms(contract), now_ms())
    ).dropped
    assert [id_ for id_, _ in dropped] == [good["id"], None, None, None]
    assert dropped[0][1] is DropReason.UNDECLARED_FIELD


def test_drops_are_counted_by_reason(contract: Contract, event: Event) -> None:
    batch = [event(), event(user=1), event(user=2), event(id="x")]
    sifted = sift(batch, Rules(Terms(contract), now_ms()))
    assert sifted.frame.counts == {"dropped:undeclared-field": 2, "dropped:malformed-field": 1}
    assert sifted.accepted == 1


def test_a_name_as_long_as_a_body_costs_no_more_than_reading_it(
    contract: Contract, event: Event
) -> None:
    nested: dict[str, Any] = {"k": 1}
    for _ in range(500):
        nested = {"n" * 2000: nested}
    wide = {"w" * 100_000: {str(n): n for n in range(50_000)}}
    assert reason(contract, event(nested=nested)) == "undeclared-field"
    assert reason(contract, event(**wide)) == "undeclared-field"


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=10).map(lambda text: SECRET + text),
    st.sampled_from([HASH, "1.2.3", "linux", "other", "2 to <8", f"1.2.3-{SECRET}"]),
)
names = st.one_of(
    st.text(max_size=8).map(lambda text: SECRET + text),
    st.sampled_from(
        [
            "id",
            "cli",
            "version",
            "command",
            "runtime",
            "application",
            "name",
            "env",
            "system",
            "interactive",
            "machine",
            "cores",
            "application.name",
            "cli.version",
            "timestamp",
        ]
    ),
)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
changes = st.dictionaries(names, trees, max_size=6)


@given(changes=changes, inner=changes, lenient=st.booleans())
@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # neither fixture has a state
)
def test_no_undeclared_value_survives(
    contract: Contract, event: Event, changes: dict[str, Any], inner: dict[str, Any], lenient: bool
) -> None:
    wire = json.loads(json.dumps(event(**{**changes, "application": inner})))
    sifted = sift([wire, event()], Rules(Terms(contract), now_ms(), lenient))
    written = encode(sifted.frame)
    assert SECRET.encode() not in written
    assert SECRET not in json.dumps([id_ for id_, _ in sifted.dropped])
    frame = decode(written)
    assert set(frame.fields) <= set(contract.fields)
    for name, values in frame.fields.items():
        assert len(values) == len(frame)
        assert all(value is None or _fits(contract, name, value) for value in values)
    if sifted.accepted == 2 and not lenient:
        assert set(wire) <= {"id", "installationId", "timestamp", "cli"} | {
            name.partition(".")[0] for name in contract.fields
        }


def _fits(contract: Contract, name: str, value: object) -> bool:
    labels = contract.fields[name].labels()
    if labels:
        return value in labels
    return isinstance(value, bool) if name == "interactive" else isinstance(value, str)


def test_a_field_that_some_events_lack_stands_beside_each_event(
    contract: Contract, event: Event
) -> None:
    batch = [event(application=None), event(runtime=None, interactive=False)]
    assert sift(batch, Rules(Terms(contract), now_ms())).frame.fields == {
        "runtime": ["2.0.0", None],
        "application.name": [None, "92" * 32],
        "application.env": [None, "95" * 32],
        "interactive": [None, False],
    }


def test_admission_is_asked_last_and_once_for_each_event_that_is_fine(
    contract: Contract, event: Event
) -> None:
    asked = []

    def admit(*row: Any) -> bool:
        asked.append(row)
        return len(asked) != 2

    batch = [event(), event(user=1), event(), event(runtime="latest"), event()]
    sifted = sift(batch, Rules(Terms(contract), now_ms(), lenient=True, admit=admit))
    assert sifted.accepted == 4
    assert sifted.dropped == [(batch[1]["id"], DropReason.DAILY_CAP)]
    # what was removed from an event that is not kept is not counted
    assert sifted.frame.counts == {"removed:runtime": 1, "dropped:daily-cap": 1}
    assert asked == [
        ("stratus", bytes.fromhex(row["installationId"]), row["timestamp"]) for row in batch
    ]
