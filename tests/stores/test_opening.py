from __future__ import annotations

import pytest

from askfirst.stores.base import StoreError
from askfirst.stores.opening import open_store


def test_an_engine_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"mysql.*clickhouse://"):
        open_store("mysql://localhost/askfirst")


def test_a_missing_store_is_made_only_when_asked_for(tmp_path):
    path = tmp_path / "new" / "askfirst.duckdb"
    with pytest.raises(StoreError, match="no store at"):
        open_store(path, create=False)
    assert not path.parent.exists()

    open_store(str(path)).close()

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    open_store(path, create=False).close()
