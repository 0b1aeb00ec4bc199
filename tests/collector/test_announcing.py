"""Where a collector is asked is believed while it runs, and of its own store."""

from __future__ import annotations

from pathlib import Path

from askfirst.collector.announcing import Announcement, announced, who_serves

ROW = Announcement("http://127.0.0.1:1", 7, "/s.duckdb", "/cert.pem")


def test_it_is_believed_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    assert who_serves(path, ROW.store) is None
    with announced(path, ROW):
        assert who_serves(path, ROW.store) == ROW
        left = path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(left)  # as a collector does that is killed
    assert who_serves(path, ROW.store) is None


def test_that_of_another_store_is_not_believed(tmp_path: Path) -> None:
    with announced(tmp_path / "server.json", ROW):
        assert who_serves(tmp_path / "server.json", "/other.duckdb") is None


def test_nonsense_is_nobody(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    with announced(path, ROW):
        for text in ("", "7", '{"url": 1}', "\xff"):
            path.write_text(text, encoding="latin-1")
            assert who_serves(path, ROW.store) is None
