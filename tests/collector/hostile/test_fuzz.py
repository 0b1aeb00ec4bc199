"""A few thousand requests of the fuzzer."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from askfirst.contract.event import now_ms
from tests.collector.hostile import mutation
from tests.collector.hostile.fuzz import fuzz_own

NOW = 1_795_417_883_502


def test_a_seed_makes_the_same_requests_and_most_are_whole() -> None:
    def made(seed: int) -> list[mutation.Made]:
        chance = random.Random(seed)
        return [mutation.make(chance, NOW) for _ in range(500)]

    assert made(1) == made(1) != made(2)
    assert sum(row.whole for row in made(1)) > 350


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_thousands_of_almost_right_requests_do_no_harm(tmp_path: Path, workers: int) -> None:
    tally = fuzz_own(tmp_path, 4_000, workers, now_ms(), 16, None, workers)
    assert tally.sent >= 4_000
    for status in (200, 400, 404, 405, 415, 422):  # it reached every part of the door
        assert tally.statuses[status] > 10, tally.text()
    assert tally.statuses[413], tally.text()  # what is too large takes time, so there is little
