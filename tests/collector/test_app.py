"""The routes: what is public, what is described, and what is counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from askfirst import questions
from askfirst.collector.pipeline import DropReason
from askfirst.collector.public import openapi


def test_the_description_names_every_route_method_and_drop_reason(api: Any) -> None:
    document = openapi()
    described = {(path, method) for path, row in document["paths"].items() for method in row}
    real = {
        (route.path, method.lower())
        for route in api.app.routes
        if getattr(route, "include_in_schema", False)
        for method in route.methods
        if method != "HEAD"
    }
    assert described == real
    dropped = document["components"]["schemas"]["Result"]["properties"]["dropped"]
    assert dropped["items"]["properties"]["reason"]["enum"] == [row.value for row in DropReason]
    [name, *_] = document["paths"]["/v1/answers/{report}"]["get"]["parameters"]
    assert set(name["schema"]["enum"]) == {"overview", *questions.NAMES}
    assert api.get("/openapi.json").json() == document


def test_the_contract_in_force_is_public(api: Any, contract: Any) -> None:
    answer = api.get("/v1/contracts/stratus")
    assert answer.json() == {"contract": contract.as_dict(), "digest": contract.digest}
    assert api.get("/v1/contracts/nimbus").status == 404
    assert api.store.declared == {"stratus": contract}


def test_health_is_ok(api: Any) -> None:
    assert api.get("/health").json() == {"status": "ok", "ready": True}


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [("GET", "/nothing", 404), ("GET", "/v1/events", 405), ("POST", "/health", 405)],
)
def test_mistakes_are_answered_in_json(api: Any, method: str, target: str, status: int) -> None:
    answer = api.call(method, target)
    assert answer.status == status
    assert list(answer.json()) == ["error"]


def test_metrics_count_requests_events_and_drops(api: Any, event: Callable[..., Any]) -> None:
    api.post("/v1/events", {"tool": "stratus", "events": [event(), event(user="golo")]})
    api.post("/v1/events", b"nonsense")
    api.get("/v1/contracts/secret-name-of-nobody")
    api.get("/secret-name-of-nobody")
    api.loaded()
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.body.decode().splitlines()
    for line in [
        'askfirst_requests_total{route="/v1/events",status="200"} 1',
        'askfirst_requests_total{route="/v1/events",status="400"} 1',
        'askfirst_requests_total{route="/v1/contracts/{tool}",status="404"} 1',
        'askfirst_requests_total{route="other",status="404"} 1',
        'askfirst_events_accepted_total{tool="stratus"} 1',
        'askfirst_events_dropped_total{reason="undeclared-field",tool="stratus"} 1',
        "askfirst_events_stored_total 1",
        "askfirst_events_duplicate_total 0",
        "askfirst_log_waiting_bytes 0",
        "askfirst_log_corrupt_segments 0",
    ]:
        assert line in lines
    assert any(line.startswith("askfirst_log_bytes ") for line in lines)
    assert "secret-name" not in answer.body.decode()
    assert "127.0.0.1" not in answer.body.decode()


def test_a_bug_is_a_500_in_json_that_tells_nothing(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.store, "size", lambda: 1 / 0)
    answer = api.get("/metrics")
    assert answer.status == 500
    assert list(answer.json()) == ["error"]
    assert "division" not in answer.body.decode()
    assert isinstance(api.failures.pop(), ZeroDivisionError)  # uvicorn prints it


def test_what_alerts_need_is_there_before_the_first_event(api: Any) -> None:
    page = api.get("/metrics").body.decode()
    assert 'askfirst_events_accepted_total{tool="stratus"} 0' in page
    assert "askfirst_log_fullest_ratio 0" in page


def test_erasures_of_nobody_set_off_no_alarm(api: Any) -> None:
    gone = {"tool": "stratus", "installationId": "ee" * 32}
    assert api.post("/v1/erasures", gone).status < 300
    assert "askfirst_erasures_total 0" in api.get("/metrics").body.decode()
