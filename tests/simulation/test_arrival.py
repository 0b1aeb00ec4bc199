import numpy as np

from askfirst.simulation import arrivals
from askfirst.simulation.habits import DAY_MS


def test_arrivals_come_by_order_of_arrival_and_out_of_order_by_timestamp(make):
    rows = np.concatenate(list(arrivals(make())))

    assert (np.diff(rows["received"]) >= 0).all()
    assert (np.diff(rows["timestamp"]) < 0).any()


def test_every_event_arrives_and_those_delivered_twice_come_again_later(make):
    population = make(duplicate_share=0.2)
    drawn = np.concatenate([population.rows(day) for day in range(population.days)])
    twice = set(drawn["id"][drawn["again"] >= 0].tolist())
    came = [one for chunk in arrivals(population) for one in chunk["id"].tolist()]

    assert twice
    assert len(came) == len(drawn) + len(twice)
    assert set(came) == set(drawn["id"].tolist())
    assert {one for one in twice if came.count(one) == 2} == twice


def test_the_shares_are_what_was_asked_for(make):
    population = make(installations=300, late_share=0.1, duplicate_share=0.05)
    rows = np.concatenate([population.rows(day) for day in range(40)])
    late = (rows["received"] - rows["timestamp"] >= DAY_MS).mean()

    assert 0.08 < late < 0.12
    assert 0.04 < (rows["again"] >= 0).mean() < 0.06
    none = make(late_share=0.0, duplicate_share=0.0).rows(5)
    assert (none["received"] - none["timestamp"] < DAY_MS).all()
    assert (none["again"] == -1).all()


def test_chunks_are_bounded(make):
    sizes = [len(rows) for rows in arrivals(make(), chunk=10)]

    assert max(sizes) == 10
    assert sum(sizes) == sum(len(rows) for rows in arrivals(make()))
