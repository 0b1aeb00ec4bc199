"""Events in files: how a disguise mixes what comes in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from askfirst.collector import eventfile
from askfirst.contract.event import Event
from askfirst.contract.model import Contract
from askfirst.stores.base import DAY_MS


def a_day(day: int, count: int) -> Iterator[Event]:
    for number in range(count):
        moment = day * DAY_MS + number
        yield Event(f"{day} {number}", "9d" * 32, moment, f"1.0.{number}", "start", {})


def test_small_days_share_a_batch_and_no_batch_is_larger_than_the_bound(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventfile, "ROWS", 10)
    monkeypatch.setattr(eventfile, "MIXED", 40)
    days = {1: 4, 2: 4, 3: 4, 4: 100, 5: 1}
    events = [event for day, count in days.items() for event in a_day(day, count)]
    batches = list(eventfile.Disguise(contract)([events[:7], events[7:50], [], events[50:]]))
    assert [len(batch) for batch in batches] == [12, 40, 40, 20, 1]
    out = [event for batch in batches for event in batch]
    assert [event.timestamp for event in out] == [
        day * DAY_MS for day, count in days.items() for _ in range(count)
    ]
    assert len({event.installation_id for event in out}) == 1
    assert len({event.id for event in out}) == len(out)
    assert [event.version for event in batches[1]] != [f"1.0.{n}" for n in range(40)]


def test_nothing_disguised_is_nothing(contract: Contract) -> None:
    assert list(eventfile.Disguise(contract)([])) == []
