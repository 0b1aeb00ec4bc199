from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from askfirst.stores.base import Loaded, StoreError, StoreHeldError
from askfirst.stores.duckdb import connecting, memory
from askfirst.stores.opening import open_store
from tests.stores.making import DAY, TOOL, contract, events, hashed

HOLD = """
import sys
from askfirst.stores.opening import open_store
store = open_store(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""
LOAD_AND_DIE = """
import os, sys
from askfirst.stores.opening import open_store
from tests.stores.making import events
store = open_store(sys.argv[1])
store.load([events({"id": 1, "application.name": "a" * 64})], {})
os.kill(os.getpid(), 9)
"""


def run(code, path, **streams):
    root = Path(__file__).parents[3]
    environment = {"PYTHONPATH": f"{root / 'src'}:{root}", "PATH": "/usr/bin:/bin"}
    return subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment, **streams)


def test_a_store_that_another_process_holds_says_so_in_one_line(tmp_path):
    path = tmp_path / "store"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with run(HOLD, path, **pipes) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreHeldError, match="another process") as caught:
            open_store(path)
        holder.stdin.close()
        holder.wait(120)
    assert "\n" not in str(caught.value)
    open_store(path).close()


def test_what_was_loaded_survives_a_kill(tmp_path):
    with run(LOAD_AND_DIE, tmp_path / "store") as process:
        process.wait(120)

    store = open_store(tmp_path / "store")
    again = store.load([events({"id": 1, "application.name": "a" * 64})], {})
    assert again == Loaded(0, 1)
    assert store.check() == []
    store.close()


def test_a_store_of_a_newer_askfirst_is_refused(tmp_path):
    open_store(tmp_path / "store").close()
    with duckdb.connect(str(tmp_path / "store")) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_later', '7.0.0')")

    with pytest.raises(StoreError, match=r"made by askfirst 7\.0\.0.*upgrade"):
        open_store(tmp_path / "store")


def test_what_is_no_store_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "text"
    text.write_text("hello" * 5000)
    foreign = tmp_path / "foreign"
    with duckdb.connect(str(foreign)) as connection:
        connection.execute("CREATE TABLE cats (name VARCHAR)")

    for path in (text, foreign, tmp_path):
        with pytest.raises(StoreError) as caught:
            open_store(path)
        assert "\n" not in str(caught.value)
    assert text.read_text() == "hello" * 5000
    with duckdb.connect(str(foreign)) as connection:
        assert connection.execute("SHOW TABLES").fetchall() == [("cats",)]


def test_an_opened_store_fetches_nothing_and_cannot_be_told_otherwise(tmp_path):
    store = open_store(tmp_path / "store")
    for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
        value = store._connection.execute(f"SELECT current_setting('{setting}')").fetchone()
        assert value == (False,)
    with pytest.raises(duckdb.Error, match="locked"):
        store._connection.execute("SET autoload_known_extensions = true")
    store.close()


def test_opening_and_loading_leave_the_home_directory_alone(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    store = open_store(tmp_path / "store")
    store.load([events({})], {})
    assert store.query("quality", {"tool": TOOL, "as_of": 0}) == []
    store.close()

    assert list(home.iterdir()) == []
    names = sorted(path.name for path in tmp_path.iterdir() if path != home)
    assert names == ["store", "store-seen"]


def test_a_closed_store_answers_with_a_store_error(tmp_path):
    store = open_store(tmp_path / "store")
    store.close()

    with pytest.raises(StoreError):
        store.tools()
    with pytest.raises(StoreError):
        store.load([events({})], {})


class Asking:
    """Asks a store something in another thread, and is at work on DuckDB's memory limit then."""

    def __init__(self, store, monkeypatch):
        self.store, self.usual, self.answers = store, memory.setting, []
        self.is_at_work = threading.Event()
        self.thread = threading.Thread(target=self.run)
        monkeypatch.setattr(memory, "setting", self.setting)

    def setting(self, mib):
        if threading.current_thread() is not self.thread or self.is_at_work.is_set():
            return self.usual(mib)
        self.is_at_work.set()
        return "SELECT sum(range) FROM range(300_000_000)"  # most of a second

    def run(self):
        self.answers.append(self.store.query("quality", {"tool": TOOL, "as_of": DAY}))


def test_a_question_in_the_moment_of_a_scrubs_end_waits(tmp_path, monkeypatch):
    """DuckDB would half close the connection and refuse the rest, with the old file still open."""
    store = open_store(tmp_path / "s.duckdb")
    store.declare(contract())
    store.load([events({"id": 1, "who": "ann"}, {"id": 2, "who": "ben"})], {})
    store.erase(TOOL, hashed("ann"))
    asking, sync = Asking(store, monkeypatch), connecting.sync

    def replaced(path):
        sync(path)
        if path == tmp_path:  # the new file has its name, the old one is still open
            asking.thread.start()
            if asking.is_at_work.wait(0.5):
                time.sleep(0.1)  # until DuckDB is, too

    monkeypatch.setattr(connecting, "sync", replaced)
    assert store.scrub()
    asking.thread.join()
    assert asking.answers
    assert store.load([events({"id": 3})], {}) == Loaded(1, 0)
    store.close()
    store = open_store(tmp_path / "s.duckdb")
    assert store.count(TOOL) == 2
    store.close()


def test_closing_waits_for_a_question(tmp_path, monkeypatch):
    store = open_store(tmp_path / "s.duckdb")
    store.declare(contract())
    asking = Asking(store, monkeypatch)
    asking.thread.start()
    assert asking.is_at_work.wait(120)
    store.close()
    asking.thread.join()
    assert asking.answers
