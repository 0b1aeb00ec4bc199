"""The token: made once, kept private, asked for by every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from askfirst.collector.access import Access, login_link, read_token
from askfirst.collector.attempts import ALL_FAILURES, ALL_SECONDS, OWN_FAILURES, OWN_SECONDS
from tests.collector.serving import Answer, Server

TOKEN = "the-token"
FORM, HTML = "application/x-www-form-urlencoded", "text/html,*/*;q=0.8"


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


@pytest.mark.parametrize(
    "target",
    ["/", "/active", "/figures/active/series.csv", "/v1/answers/overview", "/v1/answers/nothing"],
)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer "},
        {"authorization": f"Basic {TOKEN}"},
        {"cookie": f"askfirst-80={TOKEN}"},
        {"cookie": "askfirst-80="},
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


def log_in(api: Any, token: str = TOKEN, **headers: str) -> Answer:
    body = urlencode({"token": token}).encode()
    return api.call("POST", "/login", body, {"content-type": FORM, **headers})


def cookie_of(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(";")[0]


def test_the_login_link_carries_the_token_where_no_server_sees_it() -> None:
    link = urlsplit(login_link("https://t.example.org", TOKEN))
    assert (link.path, link.query, link.fragment) == ("/login", "", TOKEN)


def test_the_form_changes_nothing(api: Any) -> None:
    for target in ("/login", f"/login?token={TOKEN}"):
        answer = api.get(target)
        assert answer.status == 200
        assert "set-cookie" not in answer.headers
        assert TOKEN not in answer.body.decode()


def test_the_token_begins_a_session_and_the_cookie_is_not_the_token(api: Any) -> None:
    answer = log_in(api)
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie
    assert api.get("/metrics-of-nobody", cookie=cookie_of(answer)).status == 404
    assert api.get("/v1/answers/nothing", cookie=cookie_of(answer)).status == 404
    assert api.get("/v1/answers/nothing", authorization=f"Bearer {TOKEN}").status == 404


def test_behind_a_proxy_with_tls_the_cookie_is_for_tls_alone(api: Any) -> None:
    assert "Secure" in log_in(api, **{"x-forwarded-proto": "https"}).headers["set-cookie"]


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "\N{SNOWMAN}", "x" * 5000])
def test_a_wrong_token_begins_no_session(api: Any, token: str) -> None:
    answer = log_in(api, token)
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


def test_a_person_gets_a_page_and_a_program_json(api: Any) -> None:
    for answer in (
        api.get("/active", accept=HTML),
        log_in(api, "wrong", accept=HTML),
    ):
        assert answer.status == 401
        assert answer.headers["content-type"].startswith("text/html")
        assert b'action="/login"' in answer.body
    assert list(api.get("/active").json()) == ["error"]


def test_a_session_ends_with_logout_for_copies_of_its_cookie_too(api: Any) -> None:
    cookie, other = cookie_of(log_in(api)), cookie_of(log_in(api))
    answer = api.call("POST", "/logout", b"", {"cookie": cookie})
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert 'askfirst-80=""' in answer.headers["set-cookie"]
    assert api.get("/v1/answers/nothing", cookie=cookie).status == 401
    assert api.get("/v1/answers/nothing", cookie=other).status == 404


def test_two_collectors_on_one_host_do_not_log_each_other_out(start: Callable[..., Server]) -> None:
    """A browser sends the cookies of a host to all its ports."""
    server = start()
    body = urlencode({"token": server.token}).encode()
    answer = server.call("POST", "/login", body, {"content-type": FORM})
    assert cookie_of(answer).startswith(f"askfirst-{urlsplit(server.url).port}=")
    both = f"askfirst-1=other; {cookie_of(answer)}"
    assert server.call("GET", "/active", headers={"Cookie": both}).status == 200


def test_a_get_never_ends_a_session(api: Any) -> None:
    cookie = cookie_of(log_in(api))
    assert api.get("/logout", cookie=cookie).status == 405
    assert api.get("/v1/answers/nothing", cookie=cookie).status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example.org", "host": "127.0.0.1"},
        {"origin": "null", "host": "127.0.0.1"},
    ],
)
def test_another_site_can_neither_log_in_nor_out(api: Any, headers: dict[str, str]) -> None:
    assert log_in(api, **headers).status == 403
    answer = api.call("POST", "/logout", b"", headers)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers


def test_the_own_site_can(api: Any) -> None:
    assert log_in(api, **{"sec-fetch-site": "same-origin"}).status == 303
    assert log_in(api, origin="http://127.0.0.1", host="127.0.0.1").status == 303


def test_ingest_needs_no_token(api: Any, event: Callable[..., Any]) -> None:
    assert api.post("/v1/events", {"tool": "stratus", "events": [event()]}).status == 200


def request(peer: str = "203.0.113.1", host: str = "t.example.org", **headers: str) -> Request:
    rows = [(b"host", host.encode())]
    rows += [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "scheme": "http",
            "headers": rows,
            "client": (peer, 4242),
        }
    )


def bearer(access: Access, token: str, peer: str = "203.0.113.1") -> int:
    refusal = access.refusal(request(peer, authorization=f"Bearer {token}"))
    return 200 if refusal is None else refusal.status_code


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_one_client_may_be_wrong_ten_times_in_ten_minutes() -> None:
    clock = Clock()
    access = Access(TOKEN, clock)
    assert [bearer(access, "wrong") for _ in range(OWN_FAILURES)] == [401] * OWN_FAILURES
    refusal = access.refusal(request(authorization=f"Bearer {TOKEN}"))
    assert refusal is not None
    assert (refusal.status_code, refusal.headers["retry-after"]) == (429, str(int(OWN_SECONDS) + 1))
    assert bearer(access, TOKEN, "203.0.113.2") == 200
    clock.now += OWN_SECONDS + 1
    assert bearer(access, TOKEN) == 200


def test_all_clients_together_may_be_wrong_only_so_often() -> None:
    clock = Clock()
    access = Access(TOKEN, clock)
    for number in range(ALL_FAILURES):
        assert bearer(access, "wrong", f"198.51.100.{number}") == 401
    assert bearer(access, "wrong", "203.0.113.7") == 429
    clock.now += ALL_SECONDS + 1
    assert bearer(access, TOKEN, "203.0.113.7") == 200


def test_a_request_without_a_token_is_no_wrong_guess() -> None:
    access = Access(TOKEN, Clock())
    for _ in range(OWN_FAILURES + 1):
        refusal = access.refusal(request())
        assert refusal is not None
        assert refusal.status_code == 401
    assert bearer(access, TOKEN) == 200


def test_no_address_is_kept_of_who_was_wrong() -> None:
    access = Access(TOKEN, Clock())
    bearer(access, "wrong", "203.0.113.77")
    kept = repr(access._attempts._failures)
    assert "203.0.113.77" not in kept
    again = Access(TOKEN, Clock())
    bearer(again, "wrong", "203.0.113.77")
    assert repr(again._attempts._failures) != kept  # the key is another one


def test_a_client_that_the_collector_trusts_has_no_limit() -> None:
    access = Access(TOKEN, Clock(), client=lambda _request: None)
    assert [bearer(access, "wrong") for _ in range(2 * OWN_FAILURES)] == [401] * 2 * OWN_FAILURES


def test_a_session_is_over_after_two_weeks_or_a_restart() -> None:
    clock = Clock()
    access = Access(TOKEN, clock)
    value = access._sessions.begin()
    assert access.refusal(request(cookie=f"askfirst-0={value}")) is None
    assert Access(TOKEN, clock).refusal(request(cookie=f"askfirst-0={value}")) is not None
    clock.now += 14 * 86_400
    assert access.refusal(request(cookie=f"askfirst-0={value}")) is not None


@pytest.mark.parametrize("value", ["", ".", "..", "a.b.c", "a.99999999999.", "\xff.\xff.\xff"])
def test_a_made_up_session_is_none(value: str) -> None:
    access = Access(TOKEN, Clock())
    assert not access._sessions.is_open(value)
    access._sessions.end(value)


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("127.0.0.1:8600", True),
        ("localhost", True),
        ("[::1]:8600", True),
        ("rebound.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_without_a_token_only_a_loopback_name_is_answered(host: str, admitted: bool) -> None:
    access = Access(None, Clock())
    refusal = access.refusal(request(host=host))
    assert (refusal is None) is admitted


def test_the_guard_lets_nobody_past_by_mistake() -> None:
    async def secret(_request: Request) -> Response:
        return PlainTextResponse("secret")

    guarded = Access(TOKEN, Clock()).guard(secret)
    assert asyncio.run(guarded(request())).status_code == 401


def test_a_file_that_holds_no_token_is_named(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(OSError, match=r"holds no token.*token"):
        read_token(tmp_path)
