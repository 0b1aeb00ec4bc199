"""The page says what the script computes, and the arithmetic is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scale
import scale_inputs

from askfirst.questions import sampling
from tests.bench.conftest import BENCH

PAGE = BENCH.parent / "docs" / "scale.md"


def test_the_page_says_what_the_script_computes() -> None:
    page = PAGE.read_text()
    assert scale.rewritten(page, scale.tables(scale.INPUTS)) == page


def test_every_figure_that_goes_in_has_a_command_or_is_assumed() -> None:
    for one in scale.INPUTS.values():
        program = one.source.split(" ")[0]
        assert one.source == scale.ASSUMED or (BENCH.parent / program).exists(), one


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="to write between"):
        scale.rewritten("# Nothing", "text")


def test_ten_times_the_installations_need_ten_times_as_much() -> None:
    one, ten = (scale.needs(n, scale.INPUTS) for n in (1_000_000, 10_000_000))
    for name in ("events_a_day", "requests", "peak_bits", "door_cores", "loader_cores"):
        assert getattr(ten, name) == pytest.approx(10 * getattr(one, name))


def test_the_arithmetic() -> None:
    changes = {
        "events": 2, "deliveries": 1, "hour": 3, "second": 2, "body": 1_000, "handshake": 4_000,
        "request": 1_000, "door": 100, "loader": 10, "busy": 0.5, "cores": 4, "log": 100,
        "stored": 50, "kept": 100, "node_rate": 1e9, "node_disk": 1e9, "node_bytes": 10,
    }  # fmt: skip
    inputs = {
        name: replace(one, value=changes.get(name, one.value)) for name, one in scale.INPUTS.items()
    }
    found = scale.needs(864_000, inputs)
    assert found.events_a_day == 1_728_000
    assert (found.requests, found.peak_requests, found.peak_events) == (10, 60, 120)
    assert found.peak_bits == 60 * 5_000 * 8
    assert found.door_cores == pytest.approx(60 * 1_100 / 1e6 / 0.5)
    assert found.loader_cores == pytest.approx(20 * 3 * 10 / 1e6 / 0.5)
    assert found.collectors == 2
    assert found.log_a_day == 172_800_000
    assert found.stored_a_year == 1_728_000 * 365 * 50
    assert found.nodes == 2 * 2  # 1.7 GB on nodes of 1 GB, twice


def test_what_ends_first_comes_first() -> None:
    ends = [at for _, at in scale.limits(scale.INPUTS)]
    assert ends == sorted(ends)


def test_the_error_is_that_of_the_answers() -> None:
    low, high = sampling.interval(10_000, 0.1)  # of 100,000
    assert scale.error(100_000, 0.1) == pytest.approx((high - low) / 2 / 1_000, rel=0.01)


def test_a_delivery_takes_along_what_waits_for_an_hour() -> None:
    minutes = [0, 10, 59, 60, 61, 300, 5, 6]
    who = np.array([1, 1, 1, 1, 1, 1, 2, 2])
    number = scale_inputs.deliveries(who, np.array(minutes) * 60_000)
    assert number.tolist() == [0, 1, 1, 1, 2, 2, 3, 4]
