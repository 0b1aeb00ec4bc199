"""What was erased goes out of a real collector's files, while it loads and answers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.collector.serving import RUN, Server, make_event, servers, wait_until

TOOL = "stratus"
GONE, AGAIN, STAYS = "9d" * 32, "ab" * 32, "cd" * 32

# The collector as it is, held up in the middle of a backup: half of it is written anew.
HELD = f"""
import os, time
from askfirst.collector import loader
from askfirst.stores.duckdb import rewriting

loader.SCRUB_AFTER_MS = 100  # instead of 5 s
begin = rewriting.Anew.begin

def held(anew, cursor):
    begin(anew, cursor)
    go = os.environ["HOME"] + "/go"
    while "-backups" in str(anew.target) and not os.path.exists(go) and not anew.stopped():
        time.sleep(0.01)

rewriting.Anew.begin = held
{RUN}
"""


@pytest.fixture
def begin(tmp_path: Path, contract_file: Path) -> Iterator[Callable[..., Server]]:
    store = str(tmp_path / "home" / "s.duckdb")
    words = ("serve", "--contract", str(contract_file), "--store", store)
    with servers(tmp_path / "home", *words) as begin:
        yield begin


def filled(begin: Callable[..., Server]) -> Server:
    """Start a collector with events of three in its store and in two backups."""
    server = begin(run=HELD)
    send(server, GONE, AGAIN, STAYS)
    for _ in range(2):
        assert operate(server, "backup", {"keep": 3}).status == 200
    return server


def send(server: Server, *people: str) -> None:
    events = [make_event(installationId=who) for who in people]
    assert server.call("POST", "/v1/events", {"tool": TOOL, "events": events}).status == 200


def erase(server: Server, who: str) -> Any:
    return server.call("POST", "/v1/erasures", {"tool": TOOL, "installationId": who}).json()


def operate(server: Server, job: str, asked: dict[str, Any]) -> Any:
    return server.call(
        "POST", f"/v1/store/{job}", asked, {"Authorization": f"Bearer {server.token}"}
    )


def active(server: Server) -> int:
    today = datetime.now(timezone.utc).date().isoformat()
    return int(server.answer(f"active?as_of={today}")["monthly"])


def holding(home: Path, *people: str) -> list[str]:
    """Return the files that hold an installation's hash."""
    data = {}
    for path in home.rglob("*"):
        try:
            data[path] = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # gone meanwhile, as it should be
            continue
    wanted = [one for who in people for one in (bytes.fromhex(who), who.encode())]
    return [str(path) for path, text in data.items() if any(one in text for one in wanted)]


def halves(home: Path) -> list[Path]:
    """Return the backups that are half written anew."""
    return list(home.glob("s.duckdb-backups/*.part"))


@pytest.mark.slow
def test_while_backups_are_scrubbed_reports_hold_what_was_accepted(
    begin: Callable[..., Server],
) -> None:
    server = filled(begin)
    home = server.home
    assert erase(server, GONE) == {"erased": 1}
    wait_until(lambda: halves(home))
    assert active(server) == 2
    send(server, "ef" * 32)
    assert active(server) == 3
    assert erase(server, AGAIN) == {"erased": 1}
    assert active(server) == 2
    with ThreadPoolExecutor() as pool:
        backup = pool.submit(operate, server, "backup", {"keep": 3})
        again = pool.submit(operate, server, "erase", {"installationId": STAYS})
        wait_until(lambda: active(server) == 1)
        assert halves(home)
        assert len(list(home.glob("s.duckdb-backups/*.duckdb"))) == 2
        assert not backup.done()
        assert not again.done()  # it is answered when its bytes are gone too
        (home / "go").touch()
        assert backup.result().status == 200
        assert again.result().json() == {"erased": 1}
    assert holding(home, STAYS) == []
    wait_until(lambda: not holding(home, GONE, AGAIN))
    assert active(server) == 1
    assert operate(server, "check", {}).json() == {"problems": [], "events": {TOOL: 1}}
    assert server.stop() == 0
    assert "Traceback" not in server.errors


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
def test_a_collector_that_ends_in_the_middle_of_a_backup_goes_on_at_the_next_start(
    begin: Callable[..., Server], number: signal.Signals, code: int
) -> None:
    first = filled(begin)
    home = first.home
    assert erase(first, GONE) == {"erased": 1}
    wait_until(lambda: halves(home))
    assert first.stop(number) == code
    assert bool(halves(home)) == (number == signal.SIGKILL)
    assert holding(home, GONE)
    second = begin()
    assert active(second) == 2
    wait_until(lambda: not holding(home, GONE))
    assert not halves(home)
    assert len(list(home.glob("s.duckdb-backups/*.duckdb"))) == 2
    assert second.stop() == 0
    assert [line for line in (first.lines + second.lines) if "can still be read" in line] == []
