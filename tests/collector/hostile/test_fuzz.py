"""A few thousand requests of the fuzzer; the same seed makes the same requests."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.collector.hostile import mutation
from tests.collector.hostile.fuzz import fuzz_own


def test_a_seed_makes_the_same_kinds_of_requests_and_most_are_whole() -> None:
    def kinds(seed: int) -> Counter[bytes]:
        chance = random.Random(seed)
        return Counter(mutation.make(chance).data.split(b"\r\n", 1)[0] for _ in range(300))

    assert kinds(1) == kinds(1) != kinds(2)
    chance = random.Random(1)
    assert sum(mutation.make(chance).whole for _ in range(1000)) > 700


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_thousands_of_almost_right_requests_do_no_harm(tmp_path: Path, seed: int) -> None:
    tally = fuzz_own(tmp_path, 4_000, seed, 16, None)
    assert tally.sent >= 4_000
    for status in (200, 400, 404, 405, 413, 415, 422):  # it reached every part of the door
        assert tally.statuses[status] > 10, tally.text()
