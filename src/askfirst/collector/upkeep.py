"""What an operator has a store do, whether it is opened for that or a running collector holds it.

Each function takes a store and what was sent as JSON, and returns what is sent back. A collector
calls them in a thread, once it has loaded what it accepted before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from askfirst.collector import retaining
from askfirst.collector.segment import SET_ASIDE_DAYS, drop_set_aside
from askfirst.contract.event import is_hash
from askfirst.stores.base import DAY_MS, Store, StoreError
from askfirst.stores.duckdb import backups

KEEP = 3  # backups kept beside a store; each makes an erasure take longer to be physical
MOST_KEPT = 1000
Answer: TypeAlias = dict[str, Any]


class UpkeepError(Exception):
    """What was asked for makes no sense; one line that says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """A store, where its file is (None: on a server), the clock (ms UTC), and the logs' folder."""

    store: Store
    path: Path | None
    now: Callable[[], int]
    logs: Path


class Check(msgspec.Struct, forbid_unknown_fields=True):
    """Ask whether the store is whole."""


class Backup(msgspec.Struct, forbid_unknown_fields=True):
    """Ask for a backup beside the store, after which the newest `keep` stay."""

    keep: int = KEEP


class Retain(msgspec.Struct, forbid_unknown_fields=True):
    """Ask to forget what is older than the contract says, or than `days`, of one tool or all."""

    tool: str | None = None
    days: int | None = None


class Erase(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Ask to forget an installation (64 hex characters), of one tool or all."""

    installation_id: str
    tool: str | None = None


def check(place: Place, _asked: Check) -> Answer:
    """Say what is wrong, and how many events there are of each tool."""
    counts = {tool: place.store.count(tool) for tool in place.store.tools()}
    return {"problems": place.store.check(), "events": counts}


def backup(place: Place, asked: Backup) -> Answer:
    """Make a backup beside the store and delete the oldest; return its path."""
    if not 1 <= asked.keep <= MOST_KEPT:
        raise UpkeepError(f"keep is 1 to {MOST_KEPT}")
    return {"backup": str(make_backup(place, asked.keep))}


def retain(place: Place, asked: Retain) -> Answer:
    """Forget, and return how many events of each tool; a scrub is due then."""
    if asked.days is not None and asked.days < 1:
        raise UpkeepError("days is at least 1")
    contracts = {contract.name: contract for contract in place.store.contracts()}
    if asked.tool is not None and asked.tool not in contracts:
        raise UpkeepError("the store has no contract of that tool")
    forgotten = {}
    for name, contract in contracts.items():
        if asked.tool in (None, name):
            days = asked.days or contract.retention_days
            forgotten[name] = place.store.retain(name, place.now() - days * DAY_MS)
    if asked == Retain() and place.logs.is_dir():
        retaining.note(place.logs, place.now())
    drop_set_aside(place.logs, place.now() - SET_ASIDE_DAYS * DAY_MS)
    return {"forgotten": forgotten}


def erase(place: Place, asked: Erase) -> Answer:
    """Forget an installation; a scrub is due then. No log may hold what was accepted before."""
    if not is_hash(asked.installation_id):
        raise UpkeepError("installationId is 64 lower-case hex characters")
    if asked.tool is not None and asked.tool not in place.store.tools():
        raise UpkeepError("the store knows no such tool")
    who = bytes.fromhex(asked.installation_id)
    tools = place.store.tools() if asked.tool is None else [asked.tool]
    erased = sum(place.store.erase(tool, who, place.now()) for tool in tools)
    drop_set_aside(place.logs)  # it may be in there
    return {"erased": erased}


# what can be asked of a running collector: `POST /v1/store/<name>`
JOBS: Mapping[str, tuple[type[msgspec.Struct], Callable[[Place, Any], Answer]]] = {
    "check": (Check, check),
    "backup": (Backup, backup),
    "retain": (Retain, retain),
    "erase": (Erase, erase),
}
FORGETTING = frozenset(("retain", "erase"))  # after these the store is to be scrubbed


def do(place: Place, name: str, body: bytes) -> Answer:
    """Do one of JOBS, asked for in JSON. Raises UpkeepError for nonsense, StoreError.

    Once this returns, no file of the store holds what it was to forget.
    """
    answer = begin(place, name, body)
    if name in FORGETTING:
        place.store.scrub()
    return answer


def begin(place: Place, name: str, body: bytes) -> Answer:
    """Do one of JOBS but for the scrub that follows those that are FORGETTING. Raises as `do`."""
    form, job = JOBS[name]
    try:
        asked = msgspec.json.decode(body or b"{}", type=form)
    except msgspec.DecodeError as error:
        raise UpkeepError(f"not what is asked for: {error}") from error
    return job(place, asked)


def make_backup(place: Place, keep: int = KEEP) -> Path:
    """Copy a store as it is now into `<store>-backups/`.

    Of what is there, the newest `keep` stay. The name is the moment in UTC. Raises StoreError,
    UpkeepError for a store on a server.
    """
    path = place.path
    if path is None:
        raise UpkeepError("a store on a server is backed up there, with the server's own BACKUP")
    folder = backups.folder_of(path)
    moment = datetime.fromtimestamp(place.now() / 1000, timezone.utc)
    target = folder / f"{moment:%Y-%m-%dT%H-%M-%S.%f}Z{backups.ENDING}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        place.store.backup(target, keep)
    except OSError as error:
        raise StoreError(f"{error.filename or folder} cannot be used: {error.strerror}") from error
    return target


def list_backups(store: Path) -> list[Path]:
    """Return the backups beside a store, the oldest first."""
    return backups.files(store)
