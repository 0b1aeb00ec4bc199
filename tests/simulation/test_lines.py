import itertools
import uuid

import pytest

from askfirst.contract.event import Event
from askfirst.simulation import arrivals, remembered
from askfirst.simulation.columns import Columns
from askfirst.simulation.lines import Lines


@pytest.fixture(params=["contract", "bare"])
def population(request, make):
    return make(contract=request.getfixturevalue(request.param), days=40)


def test_a_line_is_byte_for_byte_what_the_contract_s_own_encoder_gives(population):
    """Both ways out of the generator, columns and lines, tell the same events."""
    lines, columns = Lines(population), Columns(population)
    seen = 0
    for rows in itertools.islice(arrivals(population), 20):
        events = columns.of(rows)
        for at, line in enumerate(lines.of(rows)):
            event = Event(
                str(uuid.UUID(bytes=events.ids()[at])),
                events.installations()[at].hex(),
                events.timestamp[at],
                events.version[at],
                events.command[at],
                events.rows_of_fields()[at],
            )
            assert line.encode() == event.encode()
            seen += 1
    assert seen > 100


def test_what_is_remembered_is_forgotten_before_it_takes_too_much(make, monkeypatch):
    """The lines stay the same: forgetting costs time only."""
    population = make()
    chunks = list(arrivals(population))
    lines = Lines(population)
    expected = [lines.of(rows) for rows in chunks]
    monkeypatch.setattr(remembered, "MOST", 10)
    forgetful = Lines(population)

    assert [forgetful.of(rows) for rows in chunks] == expected
    assert forgetful.of(chunks[0][:0]) == []
