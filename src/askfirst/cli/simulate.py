"""`askfirst simulate`."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import click

from askfirst.cli.contract import read
from askfirst.cli.main import Failure
from askfirst.contract.event import now_ms
from askfirst.simulation import (
    DeliveryError,
    Population,
    arrivals,
    deliver,
    fill,
    truth,
    write,
)
from askfirst.simulation.habits import DAY_MS, instant
from askfirst.simulation.population import DUPLICATE_SHARE, LATE_SHARE, Rows
from askfirst.stores.base import StoreError
from askfirst.stores.opening import open_store, shown

_SHARE = click.FloatRange(0, 1)


@click.command()
@click.option("--contract", required=True, metavar="FILE", help="The tool's telemetry.toml.")
@click.option("--installations", required=True, type=click.IntRange(1, 10_000_000), metavar="N")
@click.option("--days", required=True, type=click.IntRange(1), metavar="D")
@click.option("--seed", required=True, type=click.IntRange(0), metavar="S")
@click.option(
    "--end",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The last simulated day, UTC (default: yesterday).",
)
@click.option(
    "--events",
    type=click.IntRange(1),
    metavar="N",
    help="About how many events in all; otherwise some 200 for each installation and year.",
)
@click.option("--server", metavar="URL", help="Send the events to a collector.")
@click.option("--store", metavar="URL", help="Load them into a store.")
@click.option("--out", metavar="FILE", help="Write them to a file, one event a line, as sent.")
@click.option("--truth", "truth_file", metavar="FILE", help="Write the true answers, as JSON.")
@click.option(
    "--late-share",
    type=_SHARE,
    default=LATE_SHARE,
    show_default=True,
    help="Events that arrive days or weeks late.",
)
@click.option(
    "--duplicate-share",
    type=_SHARE,
    default=DUPLICATE_SHARE,
    show_default=True,
    help="Events that arrive twice.",
)
def command(
    *,
    contract: str,
    installations: int,
    days: int,
    seed: int,
    end: dt.datetime | None,
    events: int | None,
    server: str | None,
    store: str | None,
    out: str | None,
    truth_file: str | None,
    late_share: float,
    duplicate_share: float,
) -> None:
    """Make a population whose true answers are known.

    Equal arguments make equal events, byte for byte.
    """
    if sum(place is not None for place in (server, store, out)) != 1:
        raise click.UsageError("give exactly one of --server, --store and --out")
    try:
        population = Population(
            read(contract),
            installations=installations,
            days=days,
            seed=seed,
            end=_yesterday() if end is None else end.date(),
            late_share=late_share,
            duplicate_share=duplicate_share,
            events=events,
        )
    except ValueError as error:
        raise Failure(str(error)) from error
    except OverflowError as error:
        raise Failure("--days and --end lead to days that no calendar here has") from error
    if server is not None:
        _to_server(server, population)
    elif store is not None:
        _to_store(store, population)
    elif out is not None:
        _to_file(out, population)
    if truth_file is not None:
        _write_truth(truth_file, population)


def _yesterday() -> dt.date:
    return dt.datetime.now(dt.timezone.utc).date() - dt.timedelta(days=1)


def _to_server(url: str, population: Population) -> None:
    _check_that_a_collector_takes(population, now_ms())
    try:
        delivered = deliver(url, population, _watched(population))
    except DeliveryError as error:
        raise Failure(str(error)) from error
    _say(population, f"{url} accepted {delivered.accepted:,} events")
    if delivered.dropped:
        reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(delivered.dropped.items()))
        raise Failure(f"{url} dropped {delivered.dropped.total():,} events: {reasons}")


def _check_that_a_collector_takes(population: Population, now: int) -> None:
    """Fail now for what a collector would refuse later, event by event; `now` is in ms UTC."""
    kept = population.contract.retention_days
    oldest = -(-(now - kept * DAY_MS) // DAY_MS)  # the first whole day within the retention
    before = oldest - instant(population.first) // DAY_MS
    if before > 0:
        start = dt.date(1970, 1, 1) + dt.timedelta(days=oldest)
        raise Failure(
            f"a collector refuses events older than {kept} days (retention_days): "
            f"the first day would be {population.first}, and may be {start} at the earliest"
        )
    if instant(population.end) > now:
        raise Failure(f"{population.end} lies ahead; a collector refuses events from the future")


def _to_store(place: str, population: Population) -> None:
    try:
        store = open_store(place)
        try:
            loaded = fill(store, population, _watched(population))
        finally:
            store.close()
    except StoreError as error:
        raise Failure(str(error)) from error
    text = f"{shown(place)} stored {loaded.stored:,} events, {loaded.duplicate:,} came again"
    _say(population, text)


def _to_file(place: str, population: Population) -> None:
    try:
        with Path(place).open("wb") as file:
            written = write(file, population, _watched(population))
    except OSError as error:
        raise Failure(f"{place} cannot be written: {error.strerror}") from error
    _say(population, f"wrote {written:,} events to {place}")


def _write_truth(place: str, population: Population) -> None:
    text = json.dumps(truth(population), indent=2) + "\n"
    try:
        Path(place).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"{place} cannot be written: {error.strerror}") from error
    click.echo(f"wrote the true answers to {place}", err=True)


def _watched(population: Population) -> Iterator[Rows]:
    """Yield the population's arrivals, with a bar on stderr if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[events]:,} events"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("simulating", total=population.days, events=0)
        start, events = instant(population.first), 0
        for rows in arrivals(population):
            yield rows
            events += len(rows)
            days = (int(rows["received"][-1]) - start) / DAY_MS
            progress.update(task, completed=days, events=events)


def _say(population: Population, what: str) -> None:
    who = f"{population.installations:,} installations of {population.contract.name}"
    click.echo(f"{who}, {population.first} to {population.end}: {what}", err=True)
