from askfirst.simulation import arrivals
from askfirst.simulation.columns import Columns


def test_columns_hold_what_the_rows_say(make):
    population = make()
    rows = next(arrivals(population))
    events = Columns(population).of(rows)

    assert len(events) == len(rows)
    assert events.tool == "stratus"
    assert events.received.tolist() == rows["received"].tolist()
    events.check()
    assert events.ids() == rows["id"].tolist()
    assert events.installations() == population.pseudonyms.of(rows["installation"])
    assert events.version[0] == population.versions[int(rows["version"][0])]
    for name, value in population.values.items():
        assert events.fields[name] == value.texts(rows[name])
