"""The token: made once, kept private, asked for by every answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from askfirst.collector.access import login_link, read_token

TOKEN = "the-token"


def test_the_token_is_made_once_and_kept_private(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "askfirst"
    token = read_token(folder)
    assert len(token) >= 32
    assert read_token(folder) == token
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["token"]


def test_an_empty_token_file_is_replaced_and_an_open_one_closed(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o644)
    assert read_token(tmp_path)
    (tmp_path / "token").chmod(0o644)
    read_token(tmp_path)
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("target", ["/", "/v1/answers/overview", "/v1/answers/nothing"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {TOKEN}"},
        {"cookie": f"askfirst={TOKEN}"},
        {"cookie": "askfirst="},
        {"authorization": "Bearer \xff"},
    ],
)
def test_answers_need_the_token(api: Any, target: str, headers: dict[str, str]) -> None:
    answer = api.call(
        "GET", target, b"", {k: v.encode().decode("latin-1") for k, v in headers.items()}
    )
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert list(answer.json()) == ["error"]


def test_the_login_link_sets_a_cookie_that_is_not_the_token(api: Any) -> None:
    target = login_link("", TOKEN)
    answer = api.get(target)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert api.get("/", cookie=cookie.partition(";")[0]).status == 200
    assert api.get("/", authorization=f"Bearer {TOKEN}").status == 200


@pytest.mark.parametrize("target", ["/login", "/login?token=", "/login?token=wrong"])
def test_a_wrong_login_link_sets_no_cookie(api: Any, target: str) -> None:
    answer = api.get(target)
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_ingest_needs_no_token(api: Any, event: Callable[..., Any]) -> None:
    assert api.post("/v1/events", {"tool": "stratus", "events": [event()]}).status == 200
