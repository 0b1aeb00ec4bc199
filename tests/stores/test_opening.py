from __future__ import annotations

import pytest

from askfirst.stores.base import StoreError
from askfirst.stores.opening import open_store, path_of


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


def test_a_store_is_the_file_that_a_link_leads_to(tmp_path):
    """Or a scrub would put a new file in the place of the link, and leave the old one as it is."""
    (tmp_path / "link.duckdb").symlink_to(tmp_path / "elsewhere" / "a.duckdb")
    open_store(tmp_path / "link.duckdb").close()

    assert path_of(str(tmp_path / "link.duckdb")) == tmp_path / "elsewhere" / "a.duckdb"
    assert (tmp_path / "elsewhere" / "a.duckdb").is_file()
    assert (tmp_path / "link.duckdb").is_symlink()


def test_a_path_in_the_home_folder_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path_of("~/a.duckdb") == tmp_path / "a.duckdb"


def test_what_cannot_be_the_path_of_a_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    for place in (".", "/", str(tmp_path), "~no-such-user-here/a.duckdb", str(tmp_path / "one")):
        with pytest.raises(StoreError) as failed:
            open_store(place)
        assert "folder" in str(failed.value) or "cannot be" in str(failed.value)
