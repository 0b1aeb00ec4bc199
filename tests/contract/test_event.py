from __future__ import annotations

import json
import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askfirst.contract.event import (
    Event,
    MalformedError,
    UndeclaredError,
    flatten,
    form,
    is_hash,
    is_treated,
    is_uuid,
    new_id,
    new_installation,
    now_ms,
    treat,
)
from askfirst.contract.hashing import hash_text
from askfirst.contract.loading import parse
from tests.contract.test_loading import GOOD

CONTRACT = parse(GOOD)
UUID = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"
ID = "01a2141a-ae70-718e-9577-13ac6a357552"


def formed(values: dict[str, object], command: str = "start", version: str = "1.4.0") -> Event:
    return form(
        CONTRACT,
        command=command,
        version=version,
        installation=UUID,
        values=values,
        id=ID,
        timestamp=1_795_417_883_502,
    )


def test_an_event_has_the_shape_of_the_wire() -> None:
    values = {
        "application.name": "chat",
        "runtime": "2.0.0",
        "os": "beos",
        "ci": False,
        "services": 3,
    }
    assert json.loads(formed(values).encode()) == {
        "id": ID,
        "installationId": hash_text(UUID, UUID),
        "timestamp": 1795417883502,
        "cli": {"version": "1.4.0", "command": "start"},
        "application": {"name": hash_text("chat", UUID)},
        "runtime": "2.0.0",
        "os": "other",
        "ci": False,
        "services": "2.5 to <10",
    }


def test_the_bytes_are_compact_ascii() -> None:
    encoded = formed({"runtime": "2.0.0"}).encode()
    assert encoded.isascii()
    assert b" " not in encoded.replace(b"2.5 to", b"")
    assert encoded.startswith(b'{"id":"')


@pytest.mark.parametrize(
    ("name", "value", "treated"),
    [
        ("runtime", "latest", None),
        ("runtime", "2.0.0", "2.0.0"),
        ("runtime", "2.0.0-rc.1", "2.0.0-rc.1"),
        ("runtime", 3, None),
        ("os", "linux", "linux"),
        ("os", 7, "other"),
        ("os", "other", "other"),
        ("ci", True, True),
        ("services", 0, "<1"),
        ("services", 1, "1 to <2.5"),
        ("services", -1e300, "<1"),
        ("services", 10.0, ">=10"),
        ("services", float("inf"), ">=10"),
        ("application.name", 23, hash_text("23", UUID)),
        ("application.name", True, hash_text("true", UUID)),
    ],
)
def test_each_treatment_gives_its_form(name: str, value: object, treated: object) -> None:
    assert treat(CONTRACT.fields[name], value, UUID) == treated
    assert treated is None or is_treated(CONTRACT.fields[name], treated)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ci", 1),
        ("ci", "true"),
        ("services", "3"),
        ("services", True),
        ("services", float("nan")),
        ("application.name", ["chat"]),
        ("application.name", {"a": 1}),
        ("application.name", b"chat"),
    ],
)
def test_a_wrong_type_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(MalformedError, match=name):
        formed({name: value})


def test_what_the_contract_does_not_declare_is_refused() -> None:
    with pytest.raises(UndeclaredError, match="no command 'init'"):
        formed({}, command="init")
    with pytest.raises(UndeclaredError, match="no field 'host'"):
        formed({"host": "laptop"})
    with pytest.raises(MalformedError, match="not a released version"):
        formed({}, version="1.4.0.dev1+gabc")


def test_a_value_of_none_is_left_out() -> None:
    assert formed({"runtime": None, "ci": None}).fields == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ci", "true"),
        ("ci", 1),
        ("ci", None),
        ("os", "beos"),
        ("os", ["linux"]),
        ("runtime", "latest"),
        ("runtime", "2.0.0.dev1"),
        ("services", "2 to 3"),
        ("services", 3),
        ("application.name", "chat"),
        ("application.name", "A" * 64),
        ("application.name", "a" * 63),
        ("application.name", "a" * 64 + "\n"),
    ],
)
def test_a_received_value_in_another_form_is_not_taken(name: str, value: object) -> None:
    assert not is_treated(CONTRACT.fields[name], value)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)


@given(
    values=st.dictionaries(st.sampled_from([*CONTRACT.fields, "host", ""]), ANYTHING, max_size=6),
    command=st.sampled_from(CONTRACT.commands) | st.text(),
    version=st.sampled_from(["1.4.0", "1.0rc1"]) | st.text(),
)
def test_nothing_undeclared_gets_through(
    values: dict[str, object], command: str, version: str
) -> None:
    """Whatever a host program gives, an event that forms holds treated, declared values only."""
    try:
        event = formed(values, command, version)
    except (UndeclaredError, MalformedError):
        return
    received = json.loads(event.encode())
    leaves = flatten(received)
    assert received["cli"]["command"] in CONTRACT.commands
    for name in set(leaves) - {"id", "installationId", "timestamp", "cli.version", "cli.command"}:
        assert is_treated(CONTRACT.fields[name], leaves[name])


def test_flatten_keeps_empty_containers_as_leaves() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "d": {}, "e": []}) == {"a.b.c": 1, "d": {}, "e": []}


def test_a_name_cannot_be_forged_by_a_dot_in_a_key() -> None:
    assert flatten({"application.name": "x"}) == {"application.name": "x"}


def test_ids_are_version_7_in_the_order_of_time() -> None:
    ids = [new_id(moment) for moment in (1, 1_795_417_883_502, 1_795_417_883_503, 2**48 - 1)]
    assert ids == sorted(ids)
    for text in ids:
        parsed = uuid.UUID(text)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert is_uuid(text)
    assert int(uuid.UUID(ids[1]).hex[:12], 16) == 1_795_417_883_502
    assert len({new_id(1) for _ in range(1000)}) == 1000


def test_installations_are_random_version_4() -> None:
    parsed = uuid.UUID(new_installation())
    assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)
    assert len({new_installation() for _ in range(1000)}) == 1000


@given(st.text())
def test_only_uuids_are_uuids(text: str) -> None:
    assert is_uuid(text) == bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))


@pytest.mark.parametrize("text", [UUID.upper(), UUID[:-1], UUID.replace("-", "_"), None, "-" * 36])
def test_near_misses_are_no_uuids(text: object) -> None:
    assert not is_uuid(text)
    assert not is_hash(text)


def test_now_is_in_ms_utc() -> None:
    assert 1_700_000_000_000 < now_ms() < 5_000_000_000_000
