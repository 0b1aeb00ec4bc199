import numpy as np

from askfirst.simulation import arrivals, remembered
from askfirst.simulation.columns import Columns


def test_columns_hold_what_the_rows_say(make):
    population = make()
    rows = next(arrivals(population))
    events = Columns(population).of(rows)

    assert len(events) == len(rows)
    assert events.tool == "stratus"
    assert events.received == rows["received"].tolist()
    assert all(len(one) == 16 for one in events.id)
    assert all(len(one) == 32 for one in events.installation)
    assert events.version[0] == population.versions[int(rows["version"][0])]
    for name, value in population.values.items():
        assert [fields.get(name) for fields in events.fields] == value.texts(rows[name])


def test_what_is_remembered_is_forgotten_before_it_takes_too_much(make, monkeypatch):
    """The answers stay the same: forgetting costs time only."""
    population = make()
    chunks = list(arrivals(population))
    columns = Columns(population)
    expected = [columns.of(rows).fields for rows in chunks]
    monkeypatch.setattr(remembered, "MOST", 10)
    forgetful = Columns(population)

    assert [forgetful.of(rows).fields for rows in chunks] == expected
    assert forgetful.of(np.empty(0, population.dtype)).fields == []
