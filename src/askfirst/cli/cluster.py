"""`askfirst store init`: make the tables of a store on every host of a ClickHouse cluster."""

from __future__ import annotations

import re

import click

from askfirst.cli.main import Failure
from askfirst.stores.base import StoreError
from askfirst.stores.clickhouse.connecting import Address
from askfirst.stores.clickhouse.migrating import init


def _hosts(
    _context: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    for value in values:
        found = re.fullmatch(r"[^\s:]+:(\d{1,5})|\[[^\]]+\]:(\d{1,5})", value)
        if not found or not 0 < int(found[1] or found[2]) < 65536:
            raise click.BadParameter(f"{value!r} is no host; write it as in db1.example.org:8123")
    return values


@click.command("init")
@click.option(
    "--store",
    metavar="URL",
    required=True,
    help="clickhouse://user:password@host:8123/database, of any host of the cluster.",
)
@click.option("--cluster", metavar="NAME", required=True, help="As system.clusters names it.")
@click.option(
    "--host",
    "hosts",
    metavar="HOST:PORT",
    multiple=True,
    callback=_hosts,
    help="Every host's HTTP interface, in the order of system.clusters, if they are not reached "
    "by the names there and the port of the store.",
)
@click.option(
    "--replicas/--no-replicas",
    default=True,
    show_default=True,
    help="Whether tables are replicated, which needs Keeper.",
)
def command(store: str, cluster: str, hosts: tuple[str, ...], *, replicas: bool) -> None:
    """Make a store on a cluster of ClickHouse servers.

    It connects to every host and makes the database and its tables there. What is there already
    stays: when it was cut short, or shards have got replicas, run it again. The number of shards of
    a store is fixed.
    """
    try:
        layout = init(Address.of(store), cluster, hosts, replicas=replicas)
    except StoreError as error:
        raise Failure(str(error)) from error
    shards = len({host.shard for host in layout.hosts})
    click.echo(f"made a store on {len(layout.hosts)} hosts, {shards} shards", err=True)
