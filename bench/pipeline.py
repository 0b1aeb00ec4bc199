"""What checking costs at the door: CPU for each event, beside decoding alone, in the same run.

The floor is msgspec decoding the same bytes into types written by hand, with no check of what the
types cannot say. Ours is a whole request: the JSON text checked, its frame for the log encoded, and
the answer. The steps are the same without the fast way. Every round runs each case once, so that
other work on the machine meets all alike; figures are medians over rounds, and so is the ratio.
Prints a Markdown table. `python bench/pipeline.py [--rounds N]`
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Literal

import msgspec

from askfirst.collector.ingest import Taken, answer, take, take_by_steps
from askfirst.collector.pipeline import Terms
from askfirst.contract.loading import parse

NOW = 1_795_417_883_502  # ms UTC
EVENTS_A_ROUND = 200
CONTRACT = """
[tool]
name = "stratus"
title = "Stratus CLI"
organisation = "the native web"
collector = "https://telemetry.example.org"
details = "https://example.org/telemetry"
contact = "privacy@example.org"
retention_days = 395
commands = ["start", "stop", "restart", "reload"]
[fields.runtime]
treatment = "version"
purpose = "Which runtimes?"
[fields."application.name"]
treatment = "hash"
purpose = "How many applications?"
[fields."application.env"]
treatment = "hash"
purpose = "How many environments?"
[fields.system]
treatment = "choice"
values = ["linux", "macos"]
purpose = "Which systems?"
[fields.interactive]
treatment = "flag"
purpose = "Scripts or people?"
"""

Case = tuple[int, str]


class Cli(msgspec.Struct):
    version: str
    command: Literal["start", "stop", "restart", "reload"]


class Application(msgspec.Struct):
    name: str
    env: str


class Plain(msgspec.Struct):
    id: str
    installationId: str  # noqa: N815 - the wire's own word
    timestamp: int
    cli: Cli


class Full(Plain):
    runtime: str
    application: Application
    system: Literal["linux", "macos", "other"]
    interactive: bool


class PlainBatch(msgspec.Struct):
    tool: str
    events: list[Plain]
    contract: str


class FullBatch(msgspec.Struct):
    tool: str
    events: list[Full]
    contract: str


FLOORS = {
    "no field": msgspec.json.Decoder(PlainBatch).decode,
    "5 fields": msgspec.json.Decoder(FullBatch).decode,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    print("| events | each with | decoding alone, µs | ours, µs | ratio | by the steps, µs |")
    print("| --- | --- | --- | --- | --- | --- |")
    for (size, fields), times in measure(rounds).items():
        floor, ours, steps = (statistics.median(column) for column in times)
        ratio = statistics.median(b / a for a, b in zip(times[0], times[1], strict=True))
        print(f"| {size} | {fields} | {floor:.2f} | {ours:.2f} | {ratio:.2f} | {steps:.2f} |")


def measure(rounds: int) -> dict[Case, tuple[list[float], list[float], list[float]]]:
    """Return, for each case, µs of CPU for each event by round: the floor, ours, the steps."""
    terms = {"stratus": Terms(parse(CONTRACT))}
    cases = {}
    for size in (1, 100):
        for fields, floor in FLOORS.items():
            bodies = [
                body(size, fields, terms["stratus"].contract.digest)
                for _ in range(EVENTS_A_ROUND // size)
            ]
            cases[size, fields] = (bodies, (floor, whole(take, terms), whole(take_by_steps, terms)))
    times: dict[Case, tuple[list[float], list[float], list[float]]] = {}
    for _ in range(rounds):
        for case, (bodies, ways) in cases.items():
            columns = times.setdefault(case, ([], [], []))
            for column, way in zip(columns, ways, strict=True):
                column.append(timed(way, bodies))
    return times


def whole(way: Callable[..., Taken], terms: dict[str, Terms]) -> Callable[[bytes], object]:
    """Return a function from a request to its answer that fails if any event is dropped."""

    def run(request: bytes) -> bytes:
        taken = way(request, terms, NOW)
        if taken.dropped:
            raise SystemExit(f"dropped: {taken.dropped[0][1]}")
        return answer(taken)

    return run


def timed(way: Callable[[bytes], object], bodies: list[bytes]) -> float:
    """Return µs of CPU for each event."""
    start = time.process_time_ns()
    for request in bodies:
        way(request)
    return (time.process_time_ns() - start) / 1000 / EVENTS_A_ROUND


def body(size: int, fields: str, digest: str) -> bytes:
    """Return a request as the client sends it."""
    events = [event(number, full=fields != "no field") for number in range(size)]
    return msgspec.json.encode({"tool": "stratus", "contract": digest, "events": events})


def event(number: int, *, full: bool) -> dict[str, object]:
    """Return an event of an installation of its own; versions are a few, as they are."""
    made: dict[str, object] = {
        "id": str(uuid.uuid4()),
        "installationId": os.urandom(32).hex(),
        "timestamp": NOW - 1000 * number,
        "cli": {"version": f"1.{number % 10}.0", "command": ("start", "stop")[number % 2]},
    }
    if full:
        made["runtime"] = f"3.{number % 7}.1"
        made["application"] = {"name": os.urandom(32).hex(), "env": os.urandom(32).hex()}
        made["system"] = ("linux", "macos", "other")[number % 3]
        made["interactive"] = number % 2 == 0
    return made


if __name__ == "__main__":
    main()
