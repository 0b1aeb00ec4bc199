"""What was forgotten cannot be read any more: not in a free block, a log, a backup or a part file."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from askfirst.stores.base import DAY_MS, Loaded, StoreError, StoreStoppedError
from askfirst.stores.duckdb import backups, connecting, rewriting, sealing
from askfirst.stores.opening import open_store
from tests.stores.making import DAY, TOOL, events, hashed

GONE = {
    "who": "ann",
    "application.name": hashed("app").hex(),
    "application.env": hashed("env").hex(),
    "user.group": hashed("group").hex(),  # a hash that is neither: part of the context
    "runtime": "6.6.6",  # what nobody else says
}


def filled(path, people=200):
    """Make a store with one installation to be forgotten among many; return its traces."""
    store = open_store(path)
    others = [
        {
            "id": ("other", number),
            "who": number % 40,
            "day": number % 30,
            "application.name": f"{number % 40:064}",
            "runtime": f"{number % 3}.0.0",
        }
        for number in range(people)
    ]
    gone = [{**GONE, "id": ("gone", number), "day": number} for number in range(20)]
    store.load([events(*others[:100], *gone, *others[100:])], {})
    return store, traces(events(*gone))


def traces(made):
    """Return every byte string by which the events could be recognised."""
    found = {hashed("ann"), hashed("ann").hex().encode(), b"6.6.6"}
    for name in ("app", "env", "group"):
        found |= {hashed(name), hashed(name).hex().encode()}
    for one in made.ids():
        high, low = one[:8], one[8:]
        found |= {high[::-1], low[::-1], one, one.hex().encode()}
    found |= stored_halves(made)
    return found


def stored_halves(made):
    """Return what the file has of the ids: the second halves, and the first xor the moment."""
    found = set()
    for moment, one in zip(made.timestamp, made.ids(), strict=True):
        rest = int.from_bytes(one[:8], "big") ^ moment << 16
        found |= {rest.to_bytes(8, "little"), one[8:][::-1]}
    return found


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def seen_in(folder, wanted):
    """Return which byte strings stand in any file of a folder."""
    data = [path.read_bytes() for path in files(folder)]
    return {one for one in wanted if any(one in text for text in data)}


def everything(store):
    return [
        row
        for part in store.events(TOOL)
        for row in zip(
            part.timestamp, part.ids(), part.installations(), part.version, part.command,
            map(str, part.rows_of_fields()), strict=True,
        )
    ]  # fmt: skip


def test_what_was_erased_is_in_no_file_afterwards(tmp_path):
    store, gone = filled(tmp_path / "store")
    folder = backups.folder_of(tmp_path / "store")
    folder.mkdir()
    store.backup(folder / "1.duckdb")
    before = everything(store)
    store.close()  # what is only in the log, compressed, is now in the file
    before_bytes = seen_in(tmp_path, gone)
    assert {hashed("ann"), b"6.6.6", hashed("app").hex().encode()} <= before_bytes
    halves = {one for one in gone if len(one) == 8} & before_bytes
    assert len(halves) == 2 * 20
    store = open_store(tmp_path / "store")

    assert store.erase(TOOL, hashed("ann")) == 20
    assert store.scrub() is True
    assert store.scrub() is False

    kept = [row for row in before if row[2] != hashed("ann")]
    assert everything(store) == kept
    assert store.check() == []
    store.close()
    assert seen_in(tmp_path, gone) == set()
    with_backup = open_store(folder / "1.duckdb")
    assert everything(with_backup) == kept
    with_backup.close()


def test_what_was_retained_is_in_no_file_afterwards(tmp_path):
    store, _ = filled(tmp_path / "store")
    before = everything(store)
    limit = (DAY + 25) * DAY_MS
    old = {row[1][8:][::-1] for row in before if row[0] < limit}

    assert store.retain(TOOL, limit) == len(old)
    assert store.scrub() is True

    assert everything(store) == [row for row in before if row[0] >= limit]
    store.close()
    assert seen_in(tmp_path, old) == set()


def test_that_something_is_due_outlives_the_process(tmp_path):
    store, gone = filled(tmp_path / "store")
    store.erase(TOOL, hashed("ann"))
    store.close()

    store = open_store(tmp_path / "store")
    assert store.scrub() is True
    store.close()
    assert seen_in(tmp_path, gone) == set()


def test_loading_goes_on_after_a_scrub_and_knows_what_was_there(tmp_path):
    store, _ = filled(tmp_path / "store")
    again = events({**GONE, "id": ("gone", 0)}, {"id": ("other", 0), "who": 0})
    store.erase(TOOL, hashed("ann"))
    store.scrub()

    assert store.load([again], {}) == Loaded(1, 1)
    assert store.check() == []
    assert not (tmp_path / "store.part").exists()
    store.close()


def test_a_backup_that_cannot_be_scrubbed_is_named_and_stays_due(tmp_path):
    store, gone = filled(tmp_path / "store")
    folder = backups.folder_of(tmp_path / "store")
    folder.mkdir()
    (folder / "bad.duckdb").write_bytes(b"nonsense" * 5000)
    store.erase(TOOL, hashed("ann"))

    for _ in range(2):
        with pytest.raises(StoreError, match=r"bad\.duckdb.*delete this backup"):
            store.scrub()
    assert seen_in(tmp_path, gone - {hashed("ann")}) == set()  # noted until the backup is gone
    (folder / "bad.duckdb").unlink()
    assert store.scrub() is True
    store.close()
    assert seen_in(tmp_path, gone) == set()


def test_the_files_that_links_lead_to_are_scrubbed(tmp_path):
    far = tmp_path / "far"
    (tmp_path / "link").symlink_to(far / "store")
    store, gone = filled(tmp_path / "link")
    folder = backups.folder_of(far / "store")
    folder.mkdir()
    store.backup(far / "backup.duckdb")
    (folder / "1.duckdb").symlink_to(far / "backup.duckdb")
    store.erase(TOOL, hashed("ann"))
    assert seen_in(tmp_path, gone) != set()

    assert store.scrub() is True
    store.backup(folder / "2.duckdb", 1)
    store.close()
    assert seen_in(tmp_path, gone) == set()
    assert backups.files(far / "store") == [folder / "2.duckdb"]
    assert not (far / "backup.duckdb").exists()


def between(monkeypatch, what, name, do):
    """Have `do` called whenever a step of a scrub, `what.name`, is done."""
    step = getattr(what, name)

    def then(*arguments):
        made = step(*arguments)
        do()
        return made

    monkeypatch.setattr(what, name, then)


def elsewhere(do):
    """Do something in another thread; return what came of it."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(do()))
    thread.start()
    thread.join(30)
    [answer] = answers
    return answer


@pytest.mark.parametrize(("what", "name"), [(rewriting.Anew, "begin"), (backups, "scrub")])
def test_loading_and_questions_go_on_during_a_scrub(tmp_path, monkeypatch, what, name):
    monkeypatch.setattr(sealing, "ENOUGH", 50)  # so that nearly all is sealed
    store, gone = filled(tmp_path / "store")
    folder = backups.folder_of(tmp_path / "store")
    folder.mkdir()
    store.backup(folder / "1.duckdb")
    store.erase(TOOL, hashed("ann"))
    new = events(*({"id": ("new", number), "who": f"new {number}"} for number in range(60)))

    def load_and_ask():
        found.append((store.load([new], {}), store.count(TOOL)))

    found = []
    between(monkeypatch, what, name, lambda: elsewhere(load_and_ask))
    assert store.scrub() is True
    assert found[0] == (Loaded(60, 0), 260)
    assert found[1:] in ([], [(Loaded(0, 60), 260)])
    monkeypatch.undo()
    assert store.count(TOOL) == 260
    assert store.check() == []
    assert store.load([new, events({"id": ("newest", 1), "who": "newest"})], {}) == Loaded(1, 60)
    assert store.check() == []
    store.close()
    assert seen_in(tmp_path, gone) == set()


def test_what_is_forgotten_during_a_scrub_is_scrubbed_by_the_next(tmp_path, monkeypatch):
    """Also who came back and is forgotten again; and what is too old by now."""
    monkeypatch.setattr(sealing, "ENOUGH", 50)
    store, gone = filled(tmp_path / "store")
    bob = [{"id": ("bob", number), "who": "bob", "day": number} for number in range(60)]
    store.load([events(*bob)], {})
    folder = backups.folder_of(tmp_path / "store")
    folder.mkdir()
    store.backup(folder / "1.duckdb")
    old = {row[1][8:][::-1] for row in everything(store) if row[0] < (DAY + 3) * DAY_MS}
    again = events({**GONE, "id": ("again", 1), "day": 20})
    store.erase(TOOL, hashed("ann"))

    def forget():
        assert store.erase(TOOL, hashed("bob")) == 60
        assert store.load([again], {}).stored == 1
        assert store.erase(TOOL, hashed("ann")) == 1
        assert store.retain(TOOL, (DAY + 3) * DAY_MS) == 21

    with monkeypatch.context() as patched:
        begun = itertools.count()  # first the backup, then the store
        between(patched, rewriting.Anew, "begin", lambda: next(begun) and elsewhere(forget))
        assert store.scrub() is True
    assert next(begun) == 2
    kept = everything(store)
    assert len(kept) == 200 - 21
    assert store.check() == []
    assert hashed("bob") in seen_in(tmp_path, {hashed("bob")})  # noted, and in the backup
    assert store.scrub() is True
    assert store.scrub() is False
    assert everything(store) == kept
    assert store.check() == []
    store.close()
    traces_of_all = gone | traces(again) | traces(events(*bob)) | old | {hashed("bob")}
    assert seen_in(tmp_path, traces_of_all) == set()


def test_a_backup_that_is_wanted_during_a_scrub_is_made_after_it(tmp_path, monkeypatch):
    store, gone = filled(tmp_path / "store")
    folder = backups.folder_of(tmp_path / "store")
    folder.mkdir()
    store.backup(folder / "1.duckdb")
    store.erase(TOOL, hashed("ann"))
    wanted = []

    def want():
        thread = threading.Thread(target=store.backup, args=(folder / "2.duckdb", 1))
        thread.start()
        wanted.append(thread)
        thread.join(0.2)  # long enough for one that does not wait
        assert not (folder / "2.duckdb").exists()

    between(monkeypatch, backups, "_scrub", want)
    assert store.scrub() is True
    [thread] = wanted
    thread.join(30)
    store.close()
    assert [path.name for path in backups.files(tmp_path / "store")] == ["2.duckdb"]
    assert seen_in(tmp_path, gone) == set()


def test_a_scrub_can_be_stopped_and_is_still_due(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ENOUGH", 50)
    monkeypatch.setattr(rewriting, "CHUNK", 50)
    store, gone = filled(tmp_path / "store")
    folder = backups.folder_of(tmp_path / "store")
    folder.mkdir()
    store.backup(folder / "1.duckdb")
    store.erase(TOOL, hashed("ann"))
    for most in itertools.count():
        asked = iter(range(most))
        try:
            assert store.scrub(lambda a=asked: next(a, None) is None) is True
        except StoreStoppedError:
            assert store.count(TOOL) == 200
            assert not [path for path in files(tmp_path) if ".part" in path.name]
            assert hashed("ann") in seen_in(tmp_path, {hashed("ann")})
        else:
            break
    assert most > 6
    store.close()
    assert seen_in(tmp_path, gone) == set()


def test_a_store_that_is_opened_anew_during_a_scrub_is_scrubbed_later(tmp_path, monkeypatch):
    store, gone = filled(tmp_path / "store")
    store.erase(TOOL, hashed("ann"))
    with monkeypatch.context() as patched:
        between(patched, rewriting.Anew, "begin", lambda: setattr(store, "_broken", True))
        with pytest.raises(StoreError, match="cannot be written"):
            store.scrub()
    assert store.load([events({"id": ("other", 0), "who": 0})], {}) == Loaded(0, 1)
    assert store.scrub() is True
    store.close()
    assert seen_in(tmp_path, gone) == set()


def test_a_copy_with_too_few_rows_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "ENOUGH", 1)
    store, _ = filled(tmp_path / "store")
    store.erase(TOOL, hashed("ann"))
    statement = rewriting.sql.statement

    def short(name):
        text = statement(name)
        return f"{text} LIMIT 7" if name == "add_ordered" else text

    monkeypatch.setattr(rewriting.sql, "statement", short)
    with pytest.raises(StoreError, match="7 rows instead of 200"):
        store.scrub()
    monkeypatch.undo()
    assert not (tmp_path / "store.part").exists()
    assert store.count(TOOL) == 200
    assert store.scrub() is True
    store.close()


def test_a_scrubbed_file_that_could_not_be_opened_is_opened_later(tmp_path, monkeypatch):
    store, _ = filled(tmp_path / "store")
    store.erase(TOOL, hashed("ann"))

    def refuses(_path):
        raise StoreError("not now")

    with monkeypatch.context() as patched:
        patched.setattr(connecting, "connect", refuses)
        for ask in (store.scrub, store.scrub, lambda: store.load([], {})):
            with pytest.raises(StoreError, match="not now"):
                ask()
        with pytest.raises(StoreError):
            store.count(TOOL)
    assert store.count(TOOL) == 200  # a question is enough for it to be opened again
    assert store.load([events({"id": ("other", 0), "who": 0})], {}) == Loaded(0, 1)
    assert store.scrub() is False
    store.close()


DIE = """
import os, sys
from pathlib import Path
from askfirst.stores.duckdb import connecting, rewriting
from askfirst.stores.opening import open_store
from tests.stores.making import TOOL, hashed

store = open_store(sys.argv[1])
if store.count(TOOL) == 220:
    store.erase(TOOL, hashed("ann"))
left = int(sys.argv[2])


def dying(function):
    def call(*arguments, **named):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
        return function(*arguments, **named)

    return call


rewriting.run = dying(rewriting.run)
connecting.sync = dying(connecting.sync)
connecting.remove_parts = dying(connecting.remove_parts)
connecting.connect = dying(connecting.connect)
Path.replace = dying(Path.replace)
store.scrub()
store.close()
print("scrubbed")
"""


@pytest.mark.slow
def test_killed_at_any_step_nothing_is_lost_and_nothing_stays(tmp_path):
    """Each round dies two steps later, in a store and a backup, until one comes to the end."""
    root = Path(__file__).parents[3]
    environment = {"PYTHONPATH": f"{root / 'src'}:{root}", "PATH": "/usr/bin:/bin"}
    for step in range(1, 400, 2):
        place = tmp_path / str(step)
        place.mkdir()
        store, gone = filled(place / "store")
        folder = backups.folder_of(place / "store")
        folder.mkdir()
        store.backup(folder / "1.duckdb")
        store.close()
        command = [sys.executable, "-c", DIE, str(place / "store"), str(step)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
        assert done.returncode in (0, -9)

        store = open_store(place / "store")
        store.scrub()
        assert store.count(TOOL) == 200
        assert store.check() == []
        assert store.load([events({"id": ("other", 0), "who": 0})], {}) == Loaded(0, 1)
        store.close()
        assert seen_in(place, gone) == set()
        assert not [path for path in files(place) if ".part" in path.name]
        backup = open_store(folder / "1.duckdb")
        assert backup.count(TOOL) == 200
        backup.close()
        if done.returncode == 0:
            assert step > 30
            return
    raise AssertionError("the scrub never came to an end")


def test_spilled_and_half_written_files_of_a_killed_process_are_deleted_at_the_start(tmp_path):
    open_store(tmp_path / "store").close()
    spilled = tmp_path / "store.tmp"
    spilled.mkdir()
    (spilled / "duckdb_temp_storage-0.tmp").write_bytes(b"secret")
    (tmp_path / "store.part").write_bytes(b"secret")
    (tmp_path / "store.part.wal").write_bytes(b"secret")

    open_store(tmp_path / "store").close()

    assert seen_in(tmp_path, {b"secret"}) == set()
    assert connecting.part_of(tmp_path / "store") == tmp_path / "store.part"
    assert sorted(os.listdir(tmp_path)) == ["store"]
