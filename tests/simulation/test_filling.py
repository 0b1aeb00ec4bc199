import io
import json

import pytest

from askfirst.simulation import arrivals, fill, filling, write
from askfirst.stores.opening import open_store


@pytest.fixture
def population(make):
    return make(days=40, duplicate_share=0.1)


def test_a_store_gets_each_event_once_and_the_contract(population, tmp_path, monkeypatch):
    monkeypatch.setattr(filling, "TRANSACTION", 500)  # so that there are several
    rows = [population.rows(day) for day in range(population.days)]
    store = open_store(tmp_path / "store")
    try:
        loaded = fill(store, population, arrivals(population))
        again = fill(store, population, arrivals(population))
        digests = [contract.digest for contract in store.contracts()]
    finally:
        store.close()

    assert loaded.stored == sum(map(len, rows))
    assert loaded.duplicate == sum(int((one["again"] >= 0).sum()) for one in rows) > 0
    assert again.stored == 0
    assert digests == [population.contract.digest]


def test_a_file_gets_one_event_a_line_the_same_each_time(population):
    one, other = io.BytesIO(), io.BytesIO()
    written = write(one, population, arrivals(population))
    write(other, population, arrivals(population, chunk=17))

    lines = one.getvalue().splitlines()
    assert one.getvalue() == other.getvalue()
    assert len(lines) == written
    assert list(json.loads(lines[0]))[:4] == ["id", "installationId", "timestamp", "cli"]
