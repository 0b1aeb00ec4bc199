"""Stores to test: what is here runs on every engine."""

from __future__ import annotations

import pytest

from askfirst.stores.opening import open_store
from tests.stores import places


@pytest.fixture(params=(*places.ENGINES, pytest.param(places.CLUSTER, marks=pytest.mark.slow)))
def store(request, tmp_path):
    with places.place(request.param, tmp_path, request) as where:
        opened = open_store(where)
        yield opened
        opened.close()
