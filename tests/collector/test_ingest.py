"""`POST /v1/events`: what is taken, what is refused, and what the sender is told."""

from __future__ import annotations

import errno
import gzip
import json
import os
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from askfirst.collector import ingest
from askfirst.collector import request as limits
from askfirst.collector.config import Limits
from askfirst.collector.frames import decode
from askfirst.collector.ingest import MOST_EVENTS, MOST_VALUES, SMALL_BODY, answer, take
from askfirst.collector.log import LogFull
from askfirst.collector.pipeline import DropReason, Terms
from askfirst.collector.request import Refusal
from askfirst.collector.wolkenkit import take_command
from askfirst.contract.event import now_ms
from askfirst.contract.loading import parse
from tests.collector import bodies

EVENTS = "/v1/events"


def batch(*events: Any, **more: Any) -> dict[str, Any]:
    return {"tool": "stratus", "events": list(events), **more}


def test_an_accepted_event_is_stored(api: Any, event: Callable[..., Any]) -> None:
    sent = event()
    answer = api.post(EVENTS, batch(sent))
    assert (answer.status, answer.json()) == (200, {"accepted": 1, "dropped": []})
    assert answer.headers["content-type"] == "application/json"
    api.loaded()
    [(tool, timestamp, id_)] = api.store.rows
    assert (tool, timestamp, id_.hex()) == (
        "stratus",
        sent["timestamp"],
        sent["id"].replace("-", ""),
    )


def test_a_dropped_event_is_named_with_its_reason(api: Any, event: Callable[..., Any]) -> None:
    wrong = event(user="golo")
    answer = api.post(EVENTS, batch(event(), wrong, {"id": "<b>"}))
    assert answer.json() == {
        "accepted": 1,
        "dropped": [
            {"id": wrong["id"], "reason": "undeclared-field"},
            {"id": None, "reason": "malformed-field"},
        ],
    }


def test_a_batch_under_another_contract_loses_a_field_and_not_its_events(
    api: Any, event: Callable[..., Any]
) -> None:
    old = "sha256:" + "0" * 64
    answer = api.post(EVENTS, batch(event(editor="vi", runtime="latest"), contract=old))
    assert answer.json() == {"accepted": 1, "dropped": []}
    api.loaded()
    [row] = api.store.rows.values()
    assert set(row[5]) == {"application.name", "application.env"}
    assert {kind: n for (_, _, kind), n in api.store.counts.items()} == {
        "removed:undeclared": 1,
        "removed:runtime": 1,
    }


@pytest.mark.parametrize("named", [True, False])
def test_a_batch_under_the_contract_in_force_or_none_is_held_to_it(
    api: Any, contract: Any, event: Callable[..., Any], named: bool
) -> None:
    more = {"contract": contract.digest} if named else {}
    assert api.post(EVENTS, batch(event(editor="vi"), **more)).json()["accepted"] == 0


def test_an_empty_batch_is_fine_and_leaves_no_trace(api: Any) -> None:
    assert api.post(EVENTS, batch()).json() == {"accepted": 0, "dropped": []}
    assert sum(tail.size() for tail in api.collector.tails.values()) == 0


def test_gzip_is_understood(api: Any, event: Callable[..., Any]) -> None:
    body = gzip.compress(json.dumps(batch(event())).encode())
    assert api.post(EVENTS, body, **{"content-encoding": "gzip"}).json()["accepted"] == 1


def test_the_last_of_two_equal_keys_is_the_one_that_is_checked_and_kept(
    api: Any, event: Callable[..., Any]
) -> None:
    text = json.dumps(batch(event())).replace(
        '"runtime": "2.0.0"', '"runtime":"x","runtime":"3.0.0"'
    )
    assert api.post(EVENTS, text.encode()).json()["accepted"] == 1
    api.loaded()
    [row] = api.store.rows.values()
    assert row[5]["runtime"] == "3.0.0"


BOMB = zlib.compress(b" " * (limits.EXPANDED_BYTES + 1), wbits=31)
JSON = {"content-type": "application/json"}
GZIP = {**JSON, "content-encoding": "gzip"}
REFUSED = [
    ("no content type", b"{}", {}, 415),
    ("a form", b"a=b", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ("brotli", b"{}", {**JSON, "content-encoding": "br"}, 415),
    ("nothing", b"", JSON, 400),
    ("no JSON", b"{", JSON, 400),
    ("no UTF-8", b'{"tool":"stratus","events":[{"a":"\xff"}]}', JSON, 400),
    ("a lone surrogate", b'{"tool":"stratus","events":["\\ud800"]}', JSON, 400),
    ("deep nesting", b'{"tool":"stratus","events":[' + b"[" * 100_000, JSON, 400),
    ("no gzip", b"{}", GZIP, 400),
    ("half a gzip", gzip.compress(b"{}" * 100)[:-9], GZIP, 400),
    ("two gzips", gzip.compress(b"{}") * 2, GZIP, 400),
    ("a gzip bomb", BOMB, GZIP, 413),
    ("too much gzip", bytes(limits.COMPRESSED_BYTES + 1), GZIP, 413),
    ("too much JSON", b" " * (limits.EXPANDED_BYTES + 1), JSON, 413),
    ("too long a promise", b"{}", {**JSON, "content-length": "9" * 30}, 413),
    ("1001 events", json.dumps(batch(*[{}] * 1001)).encode(), JSON, 413),
    ("a list", b"[]", JSON, 422),
    ("no events", b'{"tool":"stratus"}', JSON, 422),
    ("no tool", b'{"events":[]}', JSON, 422),
    ("events that are none", b'{"tool":"stratus","events":{}}', JSON, 422),
    ("a digest that is none", b'{"tool":"stratus","events":[],"contract":7}', JSON, 422),
    ("another tool", b'{"tool":"nimbus","events":[]}', JSON, 404),
]


@pytest.mark.parametrize(("body", "headers", "status"), [row[1:] for row in REFUSED],
                         ids=[row[0] for row in REFUSED])  # fmt: skip
def test_what_cannot_be_taken_is_refused_with_a_reason(
    api: Any, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = api.call("POST", EVENTS, body, headers)
    assert answer.status == status
    assert list(answer.json()) == ["error"]
    assert sum(tail.size() for tail in api.collector.tails.values()) == 0


def test_a_body_in_parts_is_one_body_and_has_the_same_limit(
    api: Any, event: Callable[..., Any]
) -> None:
    text = json.dumps(batch(event())).encode()
    assert api.call("POST", EVENTS, [text[:9], text[9:]], JSON).json()["accepted"] == 1
    parts = [b" " * 1_000_000] * 9
    assert api.call("POST", EVENTS, parts, JSON).status == 413


def test_a_client_that_hangs_up_gets_no_answer_and_leaves_nothing(api: Any) -> None:
    assert api.call("POST", EVENTS, [], JSON).status == 0
    assert sum(tail.size() for tail in api.collector.tails.values()) == 0


def test_a_body_that_does_not_come_is_to_be_sent_again(
    make_api: Callable[..., Any], contract: Any
) -> None:
    api = make_api(contract, limits=Limits(body_seconds=0.01))
    assert api.call("POST", EVENTS, None, JSON).status == 408


def test_a_full_disk_is_503_and_the_door_opens_again_by_itself(
    api: Any, event: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        answer = api.post(EVENTS, batch(event()))
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "No space left" in answer.json()["error"]
    assert api.post(EVENTS, batch(event())).status == 200


@pytest.mark.parametrize("refuses", ["append", "fsync"])
def test_what_the_log_refused_does_not_use_up_the_cap_of_a_day(
    make_api: Callable[..., Any],
    contract: Any,
    event: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    refuses: str,
) -> None:
    """Else its sender, who was told to come again, would be told to forget it."""
    now = now_ms()
    api = make_api(contract, limits=Limits(events_per_day=3), now=lambda: now)
    sent = batch(event(), event(), event())
    with monkeypatch.context() as patch:
        if refuses == "append":
            patch.setattr(api.collector.log, "append", _refuse)
        else:
            patch.setattr(os, "fsync", _no_space)
        for _ in range(3):
            assert api.post(EVENTS, sent).status == 503
    assert api.post(EVENTS, sent).json() == {"accepted": 3, "dropped": []}
    assert api.post(EVENTS, batch(event())).json()["dropped"][0]["reason"] == "daily-cap"


def _refuse(*_: Any) -> None:
    raise LogFull("more arrives than the disk takes; try again")


def _no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_store_that_is_down_does_not_close_the_door(
    api: Any, event: Callable[..., Any], until: Callable[..., None]
) -> None:
    api.store.trouble = "the disk is on fire"
    assert api.post(EVENTS, batch(event())).json()["accepted"] == 1
    until(lambda: api.get("/health").json() == {"status": "degraded", "ready": True})
    api.store.trouble = ""
    api.loaded()
    assert len(api.store.rows) == 1


def test_a_retry_is_accepted_and_stored_once(api: Any, event: Callable[..., Any]) -> None:
    sent = batch(event())
    for _ in range(3):
        assert api.post(EVENTS, sent).json() == {"accepted": 1, "dropped": []}
    api.loaded()
    assert len(api.store.rows) == 1
    assert api.collector.metrics.value("askfirst_events_duplicate_total") == 2


# Without a collector around it


def test_what_is_taken_says_all_that_is_needed(contract: Any, event: Callable[..., Any]) -> None:
    good, wrong = event(), event(user="golo")
    now = good["timestamp"]
    terms = {"stratus": Terms(contract)}
    taken = take(json.dumps(batch(good, wrong)).encode(), terms, now)
    assert (taken.tool, taken.accepted) == ("stratus", 1)
    assert taken.dropped == [(wrong["id"], DropReason.UNDECLARED_FIELD)]
    assert taken.counts == decode(taken.payload).counts == {"dropped:undeclared-field": 1}
    assert json.loads(answer(taken)) == {
        "accepted": 1,
        "dropped": [{"id": wrong["id"], "reason": "undeclared-field"}],
    }


@pytest.mark.parametrize("count", [0, 1, 7])
def test_what_is_all_accepted_is_answered_in_few_bytes(
    contract: Any, event: Callable[..., Any], count: int
) -> None:
    events = [event() for _ in range(count)]
    taken = take(json.dumps(batch(*events)).encode(), {"stratus": Terms(contract)}, now_ms())
    assert answer(taken) == b'{"accepted":%d,"dropped":[]}' % count
    assert bool(taken.payload) == (count > 0)


def test_over_its_share_an_installation_is_told_so(
    contract: Any, event: Callable[..., Any]
) -> None:
    events = [event(), event(installationId="aa" * 32), event()]
    taken = take(
        json.dumps(batch(*events)).encode(),
        {"stratus": Terms(contract)},
        now_ms(),
        lambda _tool, installation, _timestamp: installation == b"\xaa" * 32,
    )
    assert taken.accepted == 1
    assert taken.counts == decode(taken.payload).counts == {"dropped:daily-cap": 2}
    assert json.loads(answer(taken))["dropped"] == [
        {"id": row["id"], "reason": "daily-cap"} for row in (events[0], events[2])
    ]


@pytest.mark.parametrize("first", ["tool", "events", "contract"])
@pytest.mark.parametrize("tool", ["stratus", "nimbus", "nobody"])
def test_wherever_the_tool_stands_its_own_contract_is_the_one_that_counts(
    contract_text: str, event: Callable[..., Any], first: str, tool: str
) -> None:
    other = parse(contract_text.replace("stratus", "nimbus").replace('"start"', '"launch"'))
    terms = {"stratus": Terms(parse(contract_text)), "nimbus": Terms(other)}
    value = batch(event(), contract=None) | {"tool": tool}
    body = json.dumps({first: value[first]} | value).encode()
    if tool == "nobody":
        with pytest.raises(Refusal) as refused:
            take(body, terms, now_ms())
        assert refused.value.status == 404
    else:
        taken = take(body, terms, now_ms())
        assert (taken.tool, taken.accepted) == (tool, int(tool == "stratus"))


@pytest.mark.parametrize("thing", ["[]", "{}", "1"])
def test_a_body_that_would_fill_the_memory_is_not_decoded(
    contract: Any, thing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = ",".join([thing] * MOST_VALUES)
    body = f'{{"tool":"stratus","events":[{{"x":[{many}]}}]}}{" " * SMALL_BODY}'.encode()
    monkeypatch.setattr(ingest, "_batch", None)
    for route in (take, take_command):
        with pytest.raises(Refusal) as refused:
            route(body, {"stratus": Terms(contract)}, 0)
        assert refused.value.status == 413


def test_the_largest_batch_of_the_largest_events_is_within_the_limits(contract: Any) -> None:
    full = bodies.full_event("stratus")
    body = json.dumps(batch(*[full] * MOST_EVENTS), indent=1).encode()
    assert len(body) > SMALL_BODY
    assert take(body, {"stratus": Terms(contract)}, bodies.NOW).accepted == MOST_EVENTS
