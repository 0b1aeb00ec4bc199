"""`GET /v1/answers/{report}`: every answer sees every event accepted before it was asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from askfirst import questions
from askfirst.contract.loading import parse

TOKEN = {"authorization": "Bearer the-token"}


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Answer each question with what the store holds at that moment."""
    calls: list[tuple[Any, ...]] = []

    def ask(store: Any, name: str, tool: str, as_of: date | None) -> dict[str, Any]:
        calls.append((name, tool, as_of))
        return {"rows": len(store.rows), "as_of": date(2026, 11, 23)}

    monkeypatch.setattr(questions, "ask", ask, raising=False)
    monkeypatch.setattr(
        questions, "overview", lambda *rest: ask(rest[0], "overview", *rest[1:]), raising=False
    )
    return calls


def test_an_answer_sees_what_was_accepted_before_it_was_asked(
    api: Any, event: Callable[..., Any]
) -> None:
    for count in range(1, 6):
        api.post("/v1/events", {"tool": "stratus", "events": [event()]})
        answer = api.get("/v1/answers/active", **TOKEN)
        assert answer.json() == {"rows": count, "as_of": "2026-11-23"}


def test_the_tool_may_be_left_out_when_there_is_one(api: Any, asked: list[Any]) -> None:
    assert api.get("/v1/answers/overview", **TOKEN).status == 200
    assert api.get("/v1/answers/quality?tool=stratus&as_of=2026-11-01", **TOKEN).status == 200
    assert asked == [
        ("overview", "stratus", None),
        ("quality", "stratus", date(2026, 11, 1)),
    ]


def test_the_tool_must_be_said_when_there_are_two(
    make_api: Callable[..., Any], contract: Any, contract_text: str
) -> None:
    other = parse(contract_text.replace('name = "stratus"', 'name = "nimbus"'))
    api = make_api(contract, other)
    answer = api.get("/v1/answers/active", **TOKEN)
    assert answer.status == 422
    assert "nimbus, stratus" in answer.json()["error"]
    assert api.get("/v1/answers/active?tool=nimbus", **TOKEN).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("nothing", 404),
        ("active?tool=nimbus", 404),
        ("active?as_of=yesterday", 422),
        ("retention?as_of=9999-12-31", 422),  # a cohort would have 400,000 weeks
        ("retention?as_of=2200-01-02", 422),
        ("active?as_of=1999-12-31", 422),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(api: Any, target: str, status: int) -> None:
    answer = api.get(f"/v1/answers/{target}", **TOKEN)
    assert answer.status == status
    assert list(answer.json()) == ["error"]


def test_a_store_that_is_behind_is_503(
    make_api: Callable[..., Any], contract: Any, event: Callable[..., Any]
) -> None:
    api = make_api(contract, patience=0.05)
    api.loaded()
    api.store.trouble = "away"
    api.post("/v1/events", {"tool": "stratus", "events": [event()]})
    answer = api.get("/v1/answers/active", **TOKEN)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "30"
    api.store.trouble = ""
