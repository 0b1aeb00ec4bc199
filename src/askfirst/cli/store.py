"""`askfirst store check|backup|export|import|copy|retain|erase`: look after a store."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sized
from contextlib import closing, contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from askfirst.cli import cluster
from askfirst.cli.asking import holder_of, send
from askfirst.cli.contract import read
from askfirst.cli.main import Failure
from askfirst.collector import config as settings
from askfirst.collector import eventfile, moving, upkeep
from askfirst.collector.announcing import Announcement
from askfirst.collector.gather import Batch
from askfirst.collector.naming import name_of, open_own
from askfirst.collector.pending import load_pending
from askfirst.collector.pipeline import DropReason, Rules, Terms, sift
from askfirst.contract.event import is_hash, is_uuid, now_ms
from askfirst.contract.hashing import hash_text
from askfirst.contract.model import Contract
from askfirst.stores.base import Events, Position, Store, StoreError, StoreHeldError
from askfirst.stores.duckdb import backups
from askfirst.stores.opening import open_store, shown

T = TypeVar("T", bound=Sized)
PATIENCE = 3600  # seconds; a scrub of 50 million events with its backups takes some minutes

_store = click.option(
    "--store",
    metavar="PATH|URL",
    envvar="ASKFIRST_STORE",
    help="Else ASKFIRST_STORE.  [~/.local/share/askfirst/askfirst.duckdb]",
)
_tool = click.option("--tool", metavar="T", help="May be left out when the store knows one tool.")


@click.group()
def command() -> None:
    """Look after a store.

    A running collector is asked to do it; only import, export and a backup to a file of its own
    need it stopped.
    """


@command.command()
@_store
def check(store: str | None) -> None:
    """Tell whether a store is whole, and what is in it."""
    answer = _do("check", store, upkeep.Check())
    if answer["problems"]:
        raise Failure("\naskfirst: ".join(answer["problems"]))
    for tool, count in answer["events"].items():
        click.echo(f"{tool}: {count:,} events")
    click.echo("good")


@command.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@_store
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=upkeep.KEEP,
    show_default=True,
    help="Without FILE: how many backups stay beside the store.",
)
def backup(file: Path | None, store: str | None, keep: int) -> None:
    """Write a copy of a store, everything included, that can be served as it is.

    Without FILE it is kept in STORE-backups, and what is erased later is erased there too. A copy
    elsewhere is yours to look after.
    """
    if file is None:
        click.echo(_do("backup", store, upkeep.Backup(keep))["backup"])
        return
    with _opened(store) as opened:
        opened.backup(file)
    click.echo(f"wrote {file}", err=True)


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@_tool
@_store
@click.option(
    "--for-others",
    is_flag=True,
    help="Replace all hashes, and each moment by its day.",
)
def export(file: Path, tool: str | None, store: str | None, *, for_others: bool) -> None:
    """Write the events of a tool to FILE.parquet, FILE.csv or FILE.ndjson.

    Whoever knows an installation's hash may have it erased: keep a file without --for-others as
    private as the store. With it, no hash leads to an installation; who has the events already
    may still know one by its days, versions and commands, so such a file is not anonymous.
    """
    with _opened(store) as opened, _failing():
        contract = _contract_of(opened, tool)
        total = opened.count(contract.name)
        batches = _watched("exporting", opened.events(contract.name), total)
        disguise = eventfile.Disguise(contract) if for_others else None
        count = eventfile.write(file, batches, disguise)
    click.echo(f"wrote {count:,} events to {file}", err=True)


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@_tool
@_store
@click.option("--contract", metavar="FILE", help="Declare this contract first.")
def import_(file: Path, tool: str | None, store: str | None, contract: str | None) -> None:
    """Take events from a file that `export` or `simulate --out` wrote.

    Each is held to the contract, and one that is there already is not taken twice. When an event
    arrived is not in the file; it counts as arrived when it happened.
    """
    declared = read(contract) if contract else None
    with _opened(store, create=declared is not None) as opened, _failing():
        if declared:
            opened.declare(declared)
        terms = Terms(declared or _contract_of(opened, tool))
        stored, duplicate, dropped = _take(opened, terms, eventfile.read(file))
    click.echo(f"stored {stored:,} events, {duplicate:,} were there already", err=True)
    if dropped:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted(dropped.items()))
        text = f"not taken: {reasons}"
        if set(dropped) - {DropReason.TOO_OLD.value, DropReason.OUTSIDE_SAMPLE.value}:
            raise Failure(f"{text}; is this the contract they were collected under?")
        click.echo(text, err=True)


@command.command()
@_store
@click.option(
    "--to",
    "target",
    metavar="URL",
    envvar="ASKFIRST_STORE_TO",
    required=True,
    help="clickhouse://user@host:8123/database",
)
@click.option(
    "--beside-others",
    is_flag=True,
    help="Add to what collectors and imports have put there; answers are not compared then.",
)
def copy(store: str | None, target: str, *, beside_others: bool) -> None:
    """Bring all that an embedded store holds to one on a server, and compare the two.

    A collector goes on meanwhile. Whatever ends this, run it again: it brings what is missing. Run
    it once more when the collector has been stopped, then start that with --store URL.
    """
    name = _named(store)
    if "://" in name or "://" not in target:
        raise click.UsageError("this copies from a file, --store PATH, to a server, --to URL")
    log_folder = settings.beside(name, "-log", os.environ)
    holder = None
    try:
        with _opening(name) as source:
            _copy(source, target, log_folder, beside_others=beside_others)
    except StoreHeldError as error:
        holder = holder_of(name, error)
    if holder:
        with _snapshot(Path(name), holder) as source:
            _copy(source, target, log_folder, beside_others=beside_others)
        text = f"{holder.url} goes on collecting into {name}; stop it, and run this again"
        click.echo(text, err=True)
    else:
        click.echo("now start the collector with this --store URL", err=True)


def _copy(source: Store, target: str, log_folder: Path, *, beside_others: bool) -> None:
    """Bring a store to a server and compare them; `log_folder` has the name it goes by there."""
    name = name_of(log_folder)
    with moving.alone(log_folder), closing(open_store(target)) as opened:
        move = moving.Move(source, opened, name)
        if move.has_others and not beside_others:
            raise Failure("others have loaded something there; --beside-others adds to that")
        for _ in _watched("copying", move, move.total):
            pass
        click.echo(f"brought {move.brought:,} events, took {move.taken_back:,} back", err=True)
        if move.others:
            click.echo(f"{move.others:,} others had brought before", err=True)
        problems = move.problems(datetime.now(timezone.utc).date())
    if problems:
        raise Failure("; ".join(problems) + "; run this again, and tell us if that remains")
    same = "every event" if move.has_others else "every event and every answer"
    click.echo(f"{same} is the same there", err=True)


@contextmanager
def _snapshot(path: Path, holder: Announcement) -> Iterator[Store]:
    """Open a store as it is at this moment, of which a collector goes on to make more."""
    asked = msgspec.json.encode(upkeep.Backup(upkeep.MOST_KEPT))
    job = "/v1/store/backup"
    made = send(holder.url, job, asked, None, PATIENCE, holder.certificate)["backup"]
    backup = backups.folder_of(path) / Path(made).name
    try:
        with closing(open_store(backup, create=False)) as store:
            # no name leads to it any more: whatever ends this process leaves nothing behind
            backups.remove(backup)
            yield store
    except StoreError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(f"{error.filename or backup} cannot be used: {error.strerror}") from error


@command.command()
@_tool
@_store
@click.option("--days", type=click.IntRange(1), help="Keep this many, not the contract's.")
def retain(tool: str | None, store: str | None, days: int | None) -> None:
    """Forget what is past its retention. A running collector does this by itself, once a day."""
    answer = _do("retain", store, upkeep.Retain(tool, days))
    for name, count in answer["forgotten"].items():
        click.echo(f"{name}: forgot {count:,} events", err=True)


@command.command()
@click.argument("installation")
@_tool
@_store
def erase(installation: str, tool: str | None, store: str | None) -> None:
    """Forget one installation, given as the hash in its events or as the UUID in its dotfile."""
    if is_uuid(installation):
        installation = hash_text(installation, installation)
    if not is_hash(installation):
        raise click.UsageError("INSTALLATION is 64 lower-case hex characters, or a UUID")
    answer = _do("erase", store, upkeep.Erase(installation, tool))
    click.echo(f"erased {answer['erased']:,} events", err=True)


command.add_command(cluster.command)


def _do(job: str, place: str | None, asked: msgspec.Struct) -> dict[str, Any]:
    """Have a job of `collector.upkeep` done, by the collector that holds the store if one does."""
    name = _named(place)
    body = msgspec.json.encode(asked)
    try:
        with _opening(name) as store:
            path = None if "://" in name else Path(name)
            logs = settings.beside(name, "-log", os.environ)
            return upkeep.do(upkeep.Place(store, path, now_ms, logs), job, body)
    except upkeep.UpkeepError as error:
        raise Failure(str(error)) from error
    except StoreHeldError as error:
        holder = holder_of(name, error)
        return send(holder.url, f"/v1/store/{job}", body, None, PATIENCE, holder.certificate)


def _named(place: str | None) -> str:
    try:
        return settings.place_of(place, os.environ)
    except StoreError as error:
        raise Failure(str(error)) from error


@contextmanager
def _opened(place: str | None, *, create: bool = False) -> Iterator[Store]:
    """Open a store that no collector holds, or one on a server; turn errors into one line."""
    name = _named(place)
    try:
        with _opening(name, create=create, beside_others="://" in name) as store:
            yield store
    except StoreHeldError as error:
        holder = holder_of(name, error)
        raise Failure(
            f"the collector at {holder.url} is using {name}; stop it first: kill {holder.pid}"
        ) from error


@contextmanager
def _opening(name: str, *, create: bool = False, beside_others: bool = False) -> Iterator[Store]:
    """Open a store, what a killed collector left beside it loaded and scrubbed.

    Raises StoreHeldError if a collector holds it or, unless `beside_others`, one runs here that
    uses it too; Failure for anything else in the way.
    """
    try:
        with closing(open_own(name, os.environ, create=create)) as store:
            try:
                load_pending(settings.beside(name, "-log", os.environ), store, _say)
            except StoreHeldError:
                if not beside_others:
                    raise
            try:
                store.scrub()  # what a killed process had still to do
            except StoreError as error:
                _say(str(error))
            yield store
    except StoreHeldError:
        raise
    except StoreError as error:
        raise Failure(str(error)) from error
    except OSError as error:
        raise Failure(
            f"{error.filename or shown(name)} cannot be used: {error.strerror}"
        ) from error


@contextmanager
def _failing() -> Iterator[None]:
    try:
        yield
    except eventfile.FileError as error:
        raise Failure(str(error)) from error


def _contract_of(store: Store, tool: str | None) -> Contract:
    contracts = {contract.name: contract for contract in store.contracts()}
    if tool is None and len(contracts) == 1:
        return next(iter(contracts.values()))
    known = ", ".join(contracts) or "none"
    if tool is None:
        raise Failure(f"say which tool, with --tool; the store knows {known}")
    if tool not in contracts:
        raise Failure(f"the store has no contract of {tool}; it knows {known}")
    return contracts[tool]


def _take(
    store: Store, terms: Terms, batches: Iterable[list[dict[str, object]]]
) -> tuple[int, int, Counter[str]]:
    stored = duplicate = 0
    dropped: Counter[str] = Counter()
    for rows in _watched("importing", batches):
        sifted = sift(rows, Rules(terms, now_ms()))
        dropped.update(reason.value for _, reason in sifted.dropped)
        batch = Batch(Position("", 0, 0))
        batch.add(sifted.frame)
        events = [_as_they_happened(part) for part in batch.events()]
        loaded = store.load(events, {})
        stored, duplicate = stored + loaded.stored, duplicate + loaded.duplicate
    return stored, duplicate, dropped


def _as_they_happened(events: Events) -> Events:
    """When imported events arrived is not known: they count as arrived when they happened."""
    events.received = events.timestamp[:]
    return events


def _watched(what: str, batches: Iterable[T], total: int | None = None) -> Iterator[T]:
    """Yield batches, with a bar on stderr if that is a terminal; `total` is in events."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} events"),
        TimeElapsedColumn() if total is None else TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        for batch in batches:
            yield batch
            progress.advance(task, len(batch))


def _say(text: str) -> None:
    click.echo(f"askfirst: {text}", err=True)
