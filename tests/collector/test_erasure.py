"""`POST /v1/erasures`: forgotten by the store and by the log before it is answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from askfirst.collector import tail
from askfirst.contract.loading import parse
from tests.collector.conftest import MemoryStore
from tests.collector.serving import CONTRACT, DEADLINE

INSTALLATION = "9d" * 32
ERASURE = {"tool": "stratus", "installationId": INSTALLATION}


def test_what_was_accepted_before_is_erased_and_nothing_else(
    api: Any, event: Callable[..., Any], tmp_path: Any
) -> None:
    other = event(installationId="aa" * 32)
    api.post("/v1/events", {"tool": "stratus", "events": [event(), event(), other]})
    answer = api.post("/v1/erasures", ERASURE)
    assert (answer.status, answer.json()) == (200, {"erased": 2})
    assert [row[2].hex() for row in api.store.rows.values()] == ["aa" * 32]
    held = b"".join(path.read_bytes() for path in (tmp_path / "log").rglob("*") if path.is_file())
    assert bytes.fromhex(INSTALLATION) not in held


def test_what_cannot_be_read_of_the_log_is_deleted_with_an_erasure(
    api: Any, event: Callable[..., Any], until: Callable[..., None], tmp_path: Path
) -> None:
    """Nobody can tell who is behind a damaged frame, nor take them out of there."""
    people = [f"{number}9" * 32 for number in range(3)]
    api.store.trouble = "away"  # so that the log keeps what comes
    for who in people:
        api.post("/v1/events", {"tool": "stratus", "events": [event(installationId=who)]})
    loader = api.collector.loader
    assert not asyncio.run(loader.reach(loader.accepted(), 0))
    until(lambda: loader.trouble)  # it asks the store first now, before it reads any further
    [path] = (tmp_path / "log").rglob("*.log")
    data = path.read_bytes()
    path.write_bytes(data.replace(bytes.fromhex(people[1]), bytes(32)))
    api.store.trouble = ""
    api.loaded()
    [aside] = (tmp_path / "log").rglob("*.corrupt")
    assert bytes.fromhex(people[0]) not in aside.read_bytes()  # it was read, and is in the store
    assert bytes.fromhex(people[2]) in aside.read_bytes()
    asked = {"tool": "stratus", "installationId": people[2]}
    assert api.post("/v1/erasures", asked).json() == {"erased": 0}
    files = [row for row in (tmp_path / "log").rglob("*") if row.is_file()]
    assert not [row for row in files if bytes.fromhex(people[2]) in row.read_bytes()]
    assert any("deleted" in line for line in api.said)


def test_of_a_tool_that_is_not_served_any_more_everybody_can_be_erased(
    make_api: Callable[..., Any], contract: Any, event: Callable[..., Any], memory_store: Any
) -> None:
    api = make_api(contract, store=memory_store)
    api.post("/v1/events", {"tool": "stratus", "events": [event()]})
    api.loaded()
    api.collector.stop()
    api = make_api(parse(CONTRACT.replace('"stratus"', '"nimbus"')), store=memory_store)
    assert api.post("/v1/erasures", ERASURE).json() == {"erased": 1}
    assert memory_store.rows == {}
    unknown = api.post("/v1/erasures", {**ERASURE, "tool": "cirrus"})
    assert unknown.status == 404


def test_erasing_again_erases_nothing(api: Any, event: Callable[..., Any]) -> None:
    api.post("/v1/events", {"tool": "stratus", "events": [event()]})
    answers = [api.post("/v1/erasures", ERASURE).json() for _ in range(2)]
    assert answers == [{"erased": 1}, {"erased": 0}]


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ({"tool": "nimbus", "installationId": INSTALLATION}, 404),
        ({"tool": "stratus", "installationId": "9d"}, 422),
        ({"tool": "stratus", "installationId": INSTALLATION.upper()}, 422),
        ({"tool": "stratus", "installationId": None}, 422),
        ({"tool": "stratus"}, 422),
        ([], 422),
        (b"nonsense", 400),
    ],
)
def test_what_cannot_be_erased_is_refused(api: Any, value: Any, status: int) -> None:
    answer = api.post("/v1/erasures", value)
    assert answer.status == status
    assert list(answer.json()) == ["error"]


def test_while_the_store_is_down_an_erasure_is_to_be_tried_again(
    api: Any, event: Callable[..., Any]
) -> None:
    api.post("/v1/events", {"tool": "stratus", "events": [event()]})
    api.loaded()
    api.store.trouble = "away"
    answer = api.post("/v1/erasures", ERASURE)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    api.store.trouble = ""
    api.loaded()
    assert api.post("/v1/erasures", ERASURE).json() == {"erased": 1}
    assert api.store.rows == {}


def test_an_erasure_that_takes_too_long_is_counted_when_it_is_done_and_the_next_one_works(
    make_api: Callable[..., Any],
    contract: Any,
    event: Callable[..., Any],
    until: Callable[..., None],
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow(MemoryStore):
        def erase(self, *words: Any) -> int:
            begun.set()
            assert may_end.wait(DEADLINE)
            return super().erase(*words)

    api = make_api(contract, patience=0.1, store=Slow())
    api.post("/v1/events", {"tool": "stratus", "events": [event(), event()]})
    api.loaded()

    def has_begun_and_takes_too_long() -> bool:
        assert api.post("/v1/erasures", ERASURE).status == 503
        return begun.is_set()

    until(has_begun_and_takes_too_long)
    api.collector.config = replace(api.collector.config, patience=DEADLINE)
    may_end.set()
    until(lambda: api.collector.metrics.value("askfirst_events_erased_total") == 2)
    assert api.post("/v1/erasures", ERASURE).json() == {"erased": 0}
    assert api.store.rows == {}


@pytest.mark.parametrize("target", ["/v1/erasures", "/v1/store/erase"])
def test_while_the_writer_of_a_log_is_missing_an_erasure_is_to_be_tried_again(
    api: Any, event: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    api.post("/v1/events", {"tool": "stratus", "events": [event()]})
    own = api.collector.tails["0"]
    with monkeypatch.context() as patch:
        patch.setattr(tail, "ROLL_SECONDS", 0.05)
        patch.setattr(own, "roll", lambda: None)  # nobody hears it
        answer = api.post(target, ERASURE, authorization="Bearer the-token")
    assert (answer.status, answer.headers["retry-after"]) == (503, "30")
    assert answer.json() == {"error": "a worker is missing; try again later"}
    assert api.post("/v1/erasures", ERASURE).json() == {"erased": 1}
