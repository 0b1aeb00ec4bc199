"""Where a store is, and what lies beside it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from askfirst.collector.config import beside, data_folder, place_of
from askfirst.stores.base import StoreError


def test_what_is_beside_a_store_is_found_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    real = tmp_path / ".local/share/askfirst/askfirst.duckdb"
    (tmp_path / "link").symlink_to(real)
    names = (None, "", "~/.local/share/askfirst/askfirst.duckdb", "link", str(tmp_path / "link"))
    found = {beside(place_of(name, os.environ), "-log", os.environ) for name in names}
    assert found == {real.with_name("askfirst.duckdb-log")}


def test_each_database_has_files_of_its_own_whoever_asks() -> None:
    def folder(url: str) -> Path:
        return beside(place_of(url, {}), "-log", {"XDG_DATA_HOME": "/data"})

    same = {
        folder(url)
        for url in (
            "clickhouse://db:8123/prod",
            "clickhouse://DB/prod",
            "clickhouse://who:secret@db/prod",
        )
    }
    others = {
        folder(url)
        for url in (
            "clickhouse://db/staging",
            "clickhouse://db:8124/prod",
            "clickhouse://other/prod",
            "clickhouses://db:8123/prod",
        )
    }
    assert len(same) == 1
    assert len(others | same) == 5
    assert all(path.parent == Path("/data/askfirst") for path in others | same)


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_uid: int) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(StoreError, match="set HOME or XDG_DATA_HOME"):
        data_folder({})
