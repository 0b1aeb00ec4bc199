"""What an operator may have a store do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

import pytest

from askfirst.collector import upkeep
from askfirst.stores.base import DAY_MS
from askfirst.stores.duckdb import backups
from askfirst.stores.opening import open_store
from tests.collector.serving import DEADLINE
from tests.stores.making import DAY, TOOL, contract, events, hashed

NOW = (DAY + 2) * DAY_MS


@pytest.fixture
def place(tmp_path: Path) -> Iterator[upkeep.Place]:
    moments = iter(range(NOW, NOW + 1000))
    store = open_store(tmp_path / "store")
    store.declare(contract())
    store.load([events({"who": "ann"}, {"who": "bob"}, {"who": "ann", "day": 1})], {})
    yield upkeep.Place(store, tmp_path / "store", lambda: next(moments), tmp_path / "logs")
    store.close()


def test_check_counts_events(place: upkeep.Place) -> None:
    assert upkeep.do(place, "check", b"") == {"problems": [], "events": {TOOL: 3}}


def test_the_newest_backups_are_kept(place: upkeep.Place) -> None:
    made = [Path(upkeep.do(place, "backup", b'{"keep": 2}')["backup"]) for _ in range(4)]

    assert upkeep.list_backups(place.path) == made[2:]
    assert made[0].name == "2024-10-06T00-00-00.000000Z.duckdb"
    assert all(path.stat().st_mode & 0o077 == 0 for path in made[2:])


def test_what_is_left_of_a_backup_that_was_never_finished_is_deleted(place: upkeep.Place) -> None:
    made = upkeep.make_backup(place)
    (made.parent / "x.duckdb.part").write_bytes(b"half")
    upkeep.make_backup(place)

    assert not list(made.parent.glob("*.part"))


def test_a_backup_that_is_being_made_is_not_taken_for_one_that_was_never_finished(
    place: upkeep.Place,
) -> None:
    copying = Turnstile()
    place.store._copying = copying
    half = backups.folder_of(place.path) / "x.duckdb.part"
    half.parent.mkdir()
    half.write_bytes(b"half")
    with ThreadPoolExecutor() as pool:
        with copying:  # somebody else makes a backup
            second = pool.submit(upkeep.make_backup, place)
            assert copying.is_wanted.wait(DEADLINE)
            assert half.exists()
        made = second.result(DEADLINE)
    assert upkeep.list_backups(place.path) == [made]
    assert not half.exists()


class Turnstile:
    """A lock that tells when somebody waits for it."""

    def __init__(self) -> None:
        self.is_wanted = Event()
        self._lock = Lock()

    def __enter__(self) -> None:
        if self._lock.locked():
            self.is_wanted.set()
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def test_erase_reaches_backups(place: upkeep.Place) -> None:
    made = upkeep.make_backup(place)
    who = hashed("ann").hex().encode()

    assert upkeep.do(place, "erase", b'{"installationId": "' + who + b'"}') == {"erased": 2}

    assert hashed("ann") not in made.read_bytes()
    copy = open_store(made)
    assert copy.count(TOOL) == 1
    copy.close()


def test_retain_keeps_the_days_it_is_told(place: upkeep.Place) -> None:
    assert upkeep.do(place, "retain", b"{}") == {"forgotten": {TOOL: 0}}
    asked = b'{"days": 1, "tool": "stratus"}'
    assert upkeep.do(place, "retain", asked) == {"forgotten": {TOOL: 2}}


def test_erase_and_retain_delete_what_was_set_aside_of_a_log(place: upkeep.Place) -> None:
    (place.logs / "0").mkdir(parents=True)
    aside = place.logs / "0" / "0000000000000001.log.corrupt"
    aside.write_bytes(hashed("ann"))
    upkeep.do(place, "retain", b"{}")  # the clock here stands in 2024
    assert aside.exists()
    os.utime(aside, (NOW / 1000 - 8 * 86_400,) * 2)
    upkeep.do(place, "retain", b"{}")
    assert not aside.exists()
    aside.write_bytes(hashed("ann"))
    upkeep.do(place, "erase", b'{"installationId": "' + hashed("ann").hex().encode() + b'"}')
    assert not aside.exists()


@pytest.mark.parametrize(
    ("job", "body"),
    [
        ("check", b"nonsense"),
        ("check", b'{"more": 1}'),
        ("backup", b'{"keep": 0}'),
        ("retain", b'{"days": 0}'),
        ("retain", b'{"tool": "nimbus"}'),
        ("erase", b"{}"),
        ("erase", b'{"installationId": "nobody"}'),
        ("erase", b'{"installationId": "' + b"a" * 64 + b'", "tool": "nimbus"}'),
    ],
)
def test_nonsense_is_refused_in_one_line(place: upkeep.Place, job: str, body: bytes) -> None:
    with pytest.raises(upkeep.UpkeepError) as caught:
        upkeep.do(place, job, body)
    assert "\n" not in str(caught.value)
    assert "nobody" not in str(caught.value)
