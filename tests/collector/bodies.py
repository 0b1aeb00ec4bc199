"""Requests that nobody well-meaning sends, and what must hold of every one of them."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from askfirst.collector.frames import decode, encode, moments
from askfirst.collector.ingest import Taken, answer, take, take_by_steps
from askfirst.collector.pipeline import UNDECLARED, DropReason, Terms
from askfirst.collector.request import Refusal, expand, most_bytes, too_large
from askfirst.collector.wolkenkit import take_command
from askfirst.contract.event import is_treated
from askfirst.contract.loading import parse
from askfirst.contract.version import is_released
from tests.collector.serving import CONTRACT

CORPUS = Path(__file__).parent / "corpus" / "requests.ndjson"
NOW = 1_795_417_883_502  # ms UTC
SECRET = "x7Qsmuggled"  # stands where nothing may come through
HASH = "ab" * 32
NESTED = """
[tool]
name = "nimbus"
title = "Nimbus"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 30
commands = ["run"]
[fields."a.b.c"]
treatment = "hash"
purpose = "How many?"
[fields."a.b.d"]
treatment = "version"
purpose = "Which?"
[fields."a.e"]
treatment = "choice"
values = ["ß", "rock & \\"roll\\""]
purpose = "Which?"
[fields.class]
treatment = "flag"
purpose = "Is it?"
[fields."import.from"]
treatment = "bucket"
buckets = [0.5, 1000]
purpose = "How many?"
[fields."solo.leaf"]
treatment = "version"
purpose = "Which?"
"""
WOLKENKIT = CONTRACT.replace('name = "stratus"', 'name = "wolkenkit"')
SAMPLED = CONTRACT.replace('name = "stratus"', 'name = "cirrus"\nsample = 0.5')
CONTRACTS = [parse(text) for text in (CONTRACT, NESTED, WOLKENKIT, SAMPLED)]
TERMS = {contract.name: Terms(contract) for contract in CONTRACTS}
COUNTS = (
    {f"dropped:{reason.value}" for reason in DropReason}
    | {f"removed:{name}" for terms in TERMS.values() for name in terms.contract.fields}
    | {f"removed:{UNDECLARED}"}
)


def full_event(tool: str, number: int = 1) -> dict[str, Any]:
    """Return a good event with every declared field of a tool."""
    event: dict[str, Any] = {
        "id": f"{number:08x}-45cb-7547-9c0d-5af6295d0ece",
        "installationId": f"{number:064x}",
        "timestamp": NOW - 60_000 * number,
    }
    if tool == "cirrus" and number % 2 == 0:  # it is not in the sample
        event["installationId"] = f"f{number:063x}"
    if tool != "nimbus":
        return event | {
            "cli": {"version": "3.1.2", "command": "start"},
            "application": {"name": HASH, "env": HASH},
            "runtime": "2.0.0",
            "system": "linux",
            "interactive": True,
            "machine": {"cores": "2 to <8"},
        }
    return event | {
        "cli": {"version": "1.0rc1", "command": "run"},
        "a": {"b": {"c": HASH, "d": "1.2"}, "e": "ß"},
        "class": False,
        "import": {"from": "<0.5"},
        "solo": {"leaf": "4.5.6"},
    }


def batch(*events: Any, tool: str = "stratus", **more: Any) -> dict[str, Any]:
    return {"tool": tool, "events": list(events), **more}


def command(**data: Any) -> dict[str, Any]:
    """Return what the wolkenkit CLI sends."""
    event = full_event("stratus") | data
    return {
        "context": {"name": "collecting"},
        "aggregate": {"name": "application", "id": "88beb8b6-e802-583d-866d-96e43d5e376f"},
        "name": "recordEvent",
        "id": event.pop("id"),
        "data": {"name": "started", "data": event},
        "custom": {},
    }


# What must hold

Take = Callable[..., Taken]


def outcome(take: Take, body: bytes) -> dict[str, Any]:
    """Return all there is to see of a request: the answer, the frame, who was asked about."""
    asked: list[tuple[str, bytes, int]] = []

    def admit(tool: str, installation: bytes, timestamp: int) -> bool:
        asked.append((tool, installation, timestamp))
        return timestamp % 7 != 0

    try:
        taken = take(body, TERMS, NOW, admit)
    except Refusal as refusal:
        return {"status": refusal.status, "error": refusal.error, "asked": asked}
    assert json.loads(answer(taken)) == {
        "accepted": taken.accepted,
        "dropped": [{"id": id_, "reason": reason.value} for id_, reason in taken.dropped],
    }
    return {"status": 200, "asked": asked, **taken._asdict()}


def check(route: str, body: bytes) -> dict[str, Any]:
    """Assert what must hold of every request; return what it comes to."""
    if route == "command":
        found = outcome(take_command, body)
    else:
        found = outcome(take, body)
        assert found == outcome(take_by_steps, body), "the two ways differ"
    if found["status"] == 200:
        check_payload(found)
    said = json.dumps(found, default=bytes.hex)
    assert SECRET not in said
    assert SECRET.encode().hex() not in said
    return found


def check_payload(found: dict[str, Any]) -> None:
    """Assert that a frame is made of nothing but checked values."""
    assert set(found["counts"]) <= COUNTS
    if not found["payload"]:
        assert found["accepted"] == 0
        assert found["counts"] == {}
        return
    frame = decode(found["payload"])
    assert encode(frame) == found["payload"]
    contract = TERMS[frame.tool].contract
    size = len(frame)
    assert (frame.received, size, frame.counts) == (NOW, found["accepted"], found["counts"])
    assert (len(frame.id), len(frame.installation)) == (16 * size, 32 * size)
    assert all(NOW - contract.retention_days * 86_400_000 <= at for at in moments(frame.timestamp))
    assert all(at <= NOW + 86_400_000 for at in moments(frame.timestamp))
    assert all(map(is_released, frame.version))
    assert {*frame.command} <= {*contract.commands}
    assert len(frame.command) == size
    for name, column in frame.fields.items():
        values = [value for value in column if value is not None]
        assert len(column) == size
        assert values
        assert all(is_treated(contract.fields[name], value) for value in values)


def summary(found: dict[str, Any]) -> dict[str, Any]:
    """Return what the corpus remembers of an outcome."""
    if found["status"] != 200:
        return {"status": found["status"]}
    dropped = [[id_, reason.value] for id_, reason in found["dropped"]]
    return {
        "status": 200, "accepted": found["accepted"], "dropped": dropped,
        "counts": found["counts"],
    }  # fmt: skip


# The corpus: one request in a line, with what it came to


def read_corpus(path: Path = CORPUS) -> Iterator[dict[str, Any]]:
    """Yield `why`, `route`, `body` (bytes) and `outcome` of each request that is kept."""
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        text = row.pop("text", None)
        row["body"] = base64.b64decode(row.pop("base64")) if text is None else text.encode()
        yield row


def corpus_line(why: str, route: str, body: bytes, found: dict[str, Any]) -> str:
    """Return a request as a line of the corpus: as text where it is text."""
    try:
        form = {"text": body.decode()}
    except UnicodeDecodeError:
        form = {"base64": base64.b64encode(body).decode()}
    row = {"why": why, "route": route, **form, "outcome": summary(found)}
    return json.dumps(row, ensure_ascii=True) + "\n"


# Mutations

_DOUBLE = "@@double@@"  # taken out of the text: the key then stands there twice
NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**64),
    10**30, 1.0, 1795417883502.0, 1e300, -0.0, "", " ", "\0", "null", "true", "0", SECRET,
    f"1.2.3-{SECRET}", f"1.2.3+{SECRET}", "1.2.3 ", "1.2.3\n", "v1.2.3", "1!1.2", "1.2.3.4.5",
    "1.2.3-rc.1", "1.0.dev1", "\u0661.\u0662", "1.2.3.post1", "9" * 41, HASH, HASH.upper(), HASH[:-1] + " ",
    HASH + "00", " " + HASH[:-1], "\u212a" * 64, "\uff41" * 64, "1ca6c0d745cb45479c0d5af6295d0ece",
    "1CA6C0D7-45CB-4547-9C0D-5AF6295D0ECE", "1ca6c0d7-45cb-4547-9c0d-5af6295d0ec ",
    "1ca6c0d745cb4-547-9c0d-5af6-295d0ece", "{1ca6c0d7-45cb-4547-9c0d-5af6295d0ece}",
    "linux", "Linux", "other", "2 to <8", "<2", "ß", "ss", "\ud83d\ude00", [], {}, [[]], [{}],
    {"": ""}, {"name": HASH}, {"name": None}, {"version": "1.2.3"}, {SECRET: SECRET}, [SECRET],
)  # fmt: skip
KEYS = (
    "id", "installationId", "timestamp", "cli", "version", "command", "application", "name", "env",
    "runtime", "system", "interactive", "machine", "cores", "a", "b", "c", "d", "e", "class",
    "import", "from", "solo", "leaf", "tool", "events", "contract", "", "application.name", SECRET,
    "__class__", "_0", "type", "\0", "ID",
)  # fmt: skip
TOKENS = (
    b"null", b"true", b"{}", b"[]", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000",
    b"\\ud800", b"\\udc00\\ud800", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80",
    b"\0", b"\xef\xbb\xbf", b"1e999", b"-", b"01", b"1.", b".5", b"+1", b"NaN", b"Infinity",
    b"9" * 30, b"9" * 5000, b"-0", b"1E3", b"0.0", b"\t", b"\r\n", b"/**/", b"'",
    b"[" * 50 + b"]" * 50, b'{"a":' * 50 + b"1" + b"}" * 50, b'"tool":"nimbus",',
    b'"events":[],', b'"id":null,', b"\\u0061", b"\\/",
)  # fmt: skip


def good_request(random: Random) -> tuple[str, bytes]:
    """Return a route and a request that is fine."""
    if random.random() < 0.1:
        return "command", json.dumps(command()).encode()
    tool = random.choice(list(TERMS))
    value = batch(*(full_event(tool, n + 1) for n in range(random.choice((1, 1, 2, 3)))), tool=tool)
    if random.random() < 0.5:
        value["contract"] = random.choice((TERMS[tool].contract.digest, "sha256:" + "0" * 64, None))
    return "events", dump(random, value)


def dump(random: Random, value: object) -> bytes:
    """Write a value in one of the ways to write JSON."""
    separators = random.choice(((",", ":"), (", ", ": "), (" ,\n", "\t:")))
    text = json.dumps(value, ensure_ascii=random.random() < 0.5, separators=separators)
    return text.replace(_DOUBLE, "").encode("utf-8", "surrogatepass")


def mutate(random: Random, body: bytes) -> bytes:
    """Change a request in one to three places."""
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.75:
            try:
                value = json.loads(body)
            except (ValueError, RecursionError):
                body = mutate_bytes(random, body)
            else:
                body = dump(random, mutate_value(random, value))
        else:
            body = mutate_bytes(random, body)
    return body


def mutate_bytes(random: Random, body: bytes) -> bytes:
    """Flip, cut, copy or insert something."""
    at, end = sorted(random.randrange(len(body) + 1) for _ in range(2))
    end = min(end, at + random.choice((1, 2, 4, 40, 4000)))
    kind = random.randrange(6)
    if kind == 0:
        return body[:at] + bytes((random.randrange(256),)) + body[at + 1 :]
    if kind == 1:
        return body[:at]
    if kind == 2:
        return body[:at] + body[end:]
    if kind == 3:
        return body[:at] + body[at:end] * random.choice((2, 2, 3)) + body[end:]
    return body[:at] + random.choice(TOKENS) + body[at if kind == 4 else end :]


def mutate_value(random: Random, value: Any) -> Any:
    """Replace, remove, add, move or double something, anywhere in a value."""
    if random.random() < 0.08 or not isinstance(value, (dict, list)) or not value:
        return random.choice(NASTY)
    if isinstance(value, list):
        at = random.randrange(len(value))
        changed = value[at] if random.random() < 0.1 else mutate_value(random, value[at])
        return [*value[:at], changed, *value[at + (random.random() < 0.9) :]]
    key = random.choice(list(value))
    kind = random.randrange(8)
    if kind == 0:
        return {name: inner for name, inner in value.items() if name != key}
    if kind == 1:
        return {random.choice(KEYS) if name == key else name: value[name] for name in value}
    if kind == 2:
        return value | {random.choice(KEYS): random.choice(NASTY)}
    if kind == 3:
        return value | {
            _DOUBLE + key: random.choice((value[key], mutate_value(random, value[key])))
        }
    return value | {key: mutate_value(random, value[key])}


def compress(random: Random, body: bytes) -> bytes:
    """Return gzip, now and then not quite."""
    data = gzip.compress(body, 1, mtime=0)
    if random.random() < 0.5:
        data = mutate_bytes(random, data)
    return zlib.compress(body, 1) if random.random() < 0.05 else data


def read_body(content_type: bytes, content_encoding: bytes, raw: bytes) -> bytes:
    """Return the JSON text of a request whose body has come, as the door and the application do."""
    if len(raw) > most_bytes(content_type, content_encoding):
        raise too_large()
    return expand(raw, content_encoding)
