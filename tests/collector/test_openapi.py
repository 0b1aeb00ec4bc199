"""/openapi.json is complete and true: held against the routes, the answers and a real server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from starlette.routing import Route

from askfirst import questions
from askfirst.collector import request as limits
from askfirst.collector.ingest import MOST_EVENTS
from askfirst.collector.public import openapi
from askfirst.contract.event import now_ms
from askfirst.stores.base import DAY_MS
from tests.collector.serving import make_event

DOCUMENT: dict[str, Any] = openapi()
OPERATIONS = [
    (path, method, operation)
    for path, row in DOCUMENT["paths"].items()
    for method, operation in row.items()
]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in a JSON document."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value:
        if isinstance(inner, (dict, list)):
            yield from objects(inner)


def resolved(reference: str) -> Any:
    place: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        place = place[name]
    return place


def test_every_route_is_described_and_nothing_else(api: Any) -> None:
    real = {
        (route.path, method.lower())
        for route in api.app.routes
        if isinstance(route, Route) and route.include_in_schema  # pages are for people
        for method in route.methods or ()
        if method != "HEAD"
    }
    assert {(path, method) for path, method, _ in OPERATIONS} == real


def test_references_lead_somewhere_and_nothing_is_described_in_vain() -> None:
    used = {row["$ref"] for row in objects(DOCUMENT) if "$ref" in row}
    assert all(resolved(reference) for reference in used)
    for kind in ("schemas", "responses"):
        defined = {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]}
        assert defined <= used


def test_every_operation_says_how_it_fails_and_who_may_ask() -> None:
    for path, method, operation in OPERATIONS:
        answers = operation["responses"]
        login = (path, method) == ("/login", "post")
        assert {"400", "431", "500", "503"} <= set(answers), path
        assert ("401" in answers) == bool(operation["security"] or login), path
        assert ("requestBody" in operation) == ("415" in answers or login), path
        for status, answer in answers.items():
            assert (int(status) >= 400) == ("$ref" in answer), path


def test_who_is_to_wait_is_told_how_long() -> None:
    for name in ("TooMany", "TryLater"):
        header = DOCUMENT["components"]["responses"][name]["headers"]["Retry-After"]
        assert header["required"], name


def test_the_limits_that_are_named_are_the_real_ones() -> None:
    assert DOCUMENT["components"]["schemas"]["Batch"]["properties"]["events"]["maxItems"] == (
        MOST_EVENTS
    )
    for size, text in ((limits.COMPRESSED_BYTES, "1 MiB"), (limits.EXPANDED_BYTES, "8 MiB")):
        assert f"{size // 2**20} MiB" == text
        assert text in DOCUMENT["info"]["description"]
        assert text in DOCUMENT["components"]["responses"]["TooLarge"]["description"]


def strict(name: str) -> jsonschema_rs.Validator:
    """Return a validator that takes no key that is not described."""
    schemas = {key: _closed(schema) for key, schema in DOCUMENT["components"]["schemas"].items()}
    return jsonschema_rs.Draft202012Validator(
        {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}},
        validate_formats=True,
    )


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(row) for row in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if "properties" in schema else {}
    return {**{key: _closed(value) for key, value in schema.items()}, **more}


@pytest.fixture(name="asked")
def _asked(start: Callable[..., Any]) -> Any:
    """Return a server with a little history: people who updated, and one event that was dropped."""
    server = start()
    events = [
        make_event(
            installationId=f"{person:064x}",
            timestamp=now_ms() - (20 - day) * DAY_MS,
            cli={"version": "3.2.0" if day > person else "3.1.2", "command": "start"},
        )
        for person in range(1, 6)
        for day in range(0, 15, 2)
    ]
    batch = {"tool": "stratus", "events": [*events, make_event(user="golo")]}
    assert server.call("POST", "/v1/events", batch).json()["accepted"] == len(events)
    return server


def test_every_answer_has_the_shape_that_is_described_to_the_last_key(asked: Any) -> None:
    import datetime as dt

    today = dt.datetime.now(dt.timezone.utc).date()
    for name in ("overview", *questions.NAMES):
        answer = asked.answer(f"{name}?as_of={today}")
        strict(name.capitalize()).validate(answer)
    assert asked.answer("updates")["versions"][1]["curve"]
    assert asked.answer(f"quality?as_of={today}")["dropped"]
    strict("ContractInForce").validate(asked.call("GET", "/v1/contracts/stratus").json())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("token", "words"),
    [
        (True, ("--exclude-path", "/v1/events")),
        (False, ("--exclude-path", "/v1/events")),
        # what is wrong with an event drops the event, and not the batch
        (False, ("--include-path", "/v1/events", "--exclude-checks", "negative_data_rejection")),
    ],
    ids=["with the token", "without", "events"],
)
def test_a_real_server_keeps_to_its_description(
    asked: Any, tmp_path: Path, token: bool, words: tuple[str, ...]
) -> None:
    """Schemathesis makes requests from the description, right and wrong ones, and checks answers."""
    authorised = ("--header", f"Authorization: Bearer {asked.token}") if token else ()
    done = subprocess.run(
        [SCHEMATHESIS, "--no-color", "run", f"{asked.url}/openapi.json",
         # a tool that the store does not know is 422, which the document cannot say
         "--exclude-path-regex", "^/v1/store/(retain|erase)",
         "--seed", "8", "--max-examples", "25", *authorised, *words],
        cwd=tmp_path,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "API Operations" in done.stdout
    assert asked.process.poll() is None
    assert "Traceback" not in asked.errors
