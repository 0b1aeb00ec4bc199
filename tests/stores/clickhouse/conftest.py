from __future__ import annotations

import pytest

from askfirst.stores.opening import open_store


@pytest.fixture
def url(clickhouse):
    """Where a store can be made."""
    where = clickhouse.new()
    yield where
    clickhouse.drop(where)


@pytest.fixture
def store(url):
    opened = open_store(url)
    yield opened
    opened.close()
