"""Send many mutated requests through the door, in memory, and watch what must hold of each.

`python -m tests.collector.fuzz --requests 1000000 [--seed N] [--grow]`: every exception but a
Refusal is a failure, and so is a difference between the two ways, a frame with anything in it that
was not checked, and memory that grows. `--grow` keeps requests of a kind that the corpus lacks.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from pathlib import Path
from random import Random
from typing import Any

from askfirst.collector.request import Refusal
from tests.collector import bodies

GROWTH_BYTES = 32 * 1024 * 1024  # of memory, over what it was after a tenth of the requests
LONGEST_KEPT = 1_200  # bytes of a request in the corpus


def run(
    requests: int, seed: int, *, corpus: Path = bodies.CORPUS, grow: bool = False
) -> dict[str, int]:
    """Try requests; return how often each status came. Raises AssertionError with the request."""
    random = Random(seed)
    kept = list(bodies.read_corpus(corpus))
    known = {kind(row["route"], bodies.check(row["route"], row["body"])) for row in kept}
    statuses: dict[str, int] = {}
    settled = 0
    for number in range(requests):
        route, body = _request(random, kept)
        if random.random() < 0.05:
            body = _expanded(random, body)
        found = _checked(route, body)
        key = str(found["status"])
        statuses[key] = statuses.get(key, 0) + 1
        sort = kind(route, found)
        if grow and sort not in known and len(body) <= LONGEST_KEPT:
            known.add(sort)
            with corpus.open("a") as file:
                file.write(bodies.corpus_line("found by mutation", route, body, found))
        if number == requests // 10:
            settled = resident()
    grown = resident() - settled
    assert grown < GROWTH_BYTES, f"memory grew by {grown} bytes"
    return statuses


def _request(random: Random, kept: list[dict[str, Any]]) -> tuple[str, bytes]:
    if random.random() < 0.3:
        row = random.choice(kept)
        route, body = row["route"], row["body"]
    else:
        route, body = bodies.good_request(random)
    return route, bodies.mutate(random, body)


def _expanded(random: Random, body: bytes) -> bytes:
    """Return a body after a way through gzip, on which it may have been damaged."""
    raw = bodies.compress(random, body)
    try:
        return bodies.read_body(b"application/json", b"gzip", raw)
    except Refusal:
        return raw
    except Exception as error:
        raise AssertionError(f"gzip, base64 {base64.b64encode(raw).decode()}") from error


def _checked(route: str, body: bytes) -> dict[str, Any]:
    try:
        return bodies.check(route, body)
    except Exception as error:
        raise AssertionError(f"{route}, base64 {base64.b64encode(body).decode()}") from error


def kind(route: str, found: dict[str, Any]) -> tuple[object, ...]:
    """Return what makes a request worth keeping if none like it is there."""
    if found["status"] != 200:
        error = re.sub(r"\d+", "0", found["error"].partition(" - at ")[0])
        return (route, found["status"], error)
    named = any(id_ for id_, _ in found["dropped"])
    return (route, min(found["accepted"], 1), named, tuple(sorted(found["counts"])))


def resident() -> int:
    """Return how many bytes of memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--grow", action="store_true", help="add to the corpus")
    options = parser.parse_args()
    statuses = run(options.requests, options.seed, grow=options.grow)
    counts = ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))
    sys.stdout.write(f"{options.requests:,} requests, {resident() >> 20} MiB; {counts}\n")


if __name__ == "__main__":
    main()
