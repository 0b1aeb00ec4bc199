"""Stores to test: what is here runs on every engine."""

from __future__ import annotations

import pytest

from askfirst.stores.opening import open_store


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "askfirst.duckdb")
    yield opened
    opened.close()
