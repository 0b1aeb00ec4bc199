"""`POST /v1/command`: what the published wolkenkit CLI sends, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from askfirst.contract.loading import parse

VECTOR = json.loads(
    (Path(__file__).parents[1] / "vectors" / "wolkenkit-3.1.2-command.json").read_text()
)
BODY = VECTOR["body"]
MOMENT = BODY["data"]["data"]["timestamp"]
HEADERS = {"content-type": "application/json;charset=utf-8"}


@pytest.fixture
def wolkenkit(make_api: Callable[..., Any], contract_text: str) -> Any:
    named = parse(contract_text.replace('name = "stratus"', 'name = "wolkenkit"'))
    return make_api(parse(contract_text), named, now=lambda: MOMENT + 5)


def post(api: Any, body: Any) -> Any:
    return api.call("POST", "/v1/command", json.dumps(body).encode(), HEADERS)


def changed(**data: Any) -> dict[str, Any]:
    inner = {**BODY["data"]["data"], **data}
    return {**BODY, "data": {**BODY["data"], "data": inner}}


def test_the_captured_request_becomes_an_event_of_the_wolkenkit_contract(wolkenkit: Any) -> None:
    answer = post(wolkenkit, BODY)
    assert (answer.status, answer.json()) == (200, {"accepted": 1, "dropped": []})
    wolkenkit.loaded()
    [(key, row)] = wolkenkit.store.rows.items()
    assert key == ("wolkenkit", MOMENT, bytes.fromhex(BODY["id"].replace("-", "")))
    assert row[2].hex() == BODY["data"]["data"]["installationId"]
    assert row[3:6] == (
        "3.1.2",
        "start",
        {
            "application.name": BODY["data"]["data"]["application"]["name"],
            "application.env": BODY["data"]["data"]["application"]["env"],
            "runtime": "2.0.0",
        },
    )


def test_the_same_command_sent_again_counts_once(wolkenkit: Any) -> None:
    assert [post(wolkenkit, BODY).status for _ in range(3)] == [200] * 3
    wolkenkit.loaded()
    assert len(wolkenkit.store.rows) == 1


def test_a_field_that_does_not_fit_is_removed_and_the_event_kept(wolkenkit: Any) -> None:
    assert post(wolkenkit, changed(runtime="latest", user="golo")).json()["accepted"] == 1
    wolkenkit.loaded()
    [row] = wolkenkit.store.rows.values()
    assert "runtime" not in row[5]
    assert {kind for _, _, kind in wolkenkit.store.counts} == {
        "removed:runtime",
        "removed:undeclared",
    }


def test_a_dropped_event_is_answered_with_200_since_it_would_only_come_again(
    wolkenkit: Any,
) -> None:
    answer = post(wolkenkit, changed(cli={"version": "3.1.2", "command": "deploy"}))
    assert answer.status == 200
    assert answer.json()["dropped"] == [{"id": BODY["id"], "reason": "unknown-command"}]


def test_the_commands_id_is_the_events_even_if_the_event_names_another(wolkenkit: Any) -> None:
    post(wolkenkit, changed(id="00000000-0000-4000-8000-000000000000"))
    wolkenkit.loaded()
    assert [key[2].hex() for key in wolkenkit.store.rows] == [BODY["id"].replace("-", "")]


def test_the_only_contract_is_meant_when_none_is_named_wolkenkit(
    make_api: Callable[..., Any], contract: Any
) -> None:
    api = make_api(contract, now=lambda: MOMENT)
    assert post(api, BODY).json()["accepted"] == 1
    api.loaded()
    assert [key[0] for key in api.store.rows] == ["stratus"]


def test_several_contracts_none_named_wolkenkit_is_404(
    make_api: Callable[..., Any], contract_text: str
) -> None:
    other = parse(contract_text.replace('name = "stratus"', 'name = "nimbus"'))
    answer = post(make_api(parse(contract_text), other), BODY)
    assert answer.status == 404
    assert "wolkenkit" in answer.json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**BODY, "name": "deleteEverything"},
        {**BODY, "context": {"name": "selling"}},
        {**BODY, "aggregate": {"name": "user"}},
        {**BODY, "id": 7},
        {**BODY, "data": {}},
    ],
)
def test_another_command_is_422(wolkenkit: Any, body: Any) -> None:
    assert post(wolkenkit, body).status == 422
