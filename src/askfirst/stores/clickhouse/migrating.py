"""Brings a database to the schema of this version, on one server or on every host of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from askfirst.stores.base import StoreError
from askfirst.stores.clickhouse import sql
from askfirst.stores.clickhouse.connecting import Address, connect, failing
from askfirst.stores.clickhouse.hosts import Host, Layout, at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clickhouse_connect.driver.httpclient import HttpClient


BEHIND = {"mutations_sync": 0}  # what is there is rewritten while collectors go on


def prepare(address: Address, *, create: bool) -> None:
    """Make a database and its tables, or bring them up to date.

    Collectors that start together may all do so: every statement can be run again. Raises
    StoreError; also, unless `create`, where no store is.
    """
    client = connect(address, database="")
    try:
        done = _done(address, client)
        if done is None and not create:
            raise StoreError(f"there is no store at {address}; `askfirst serve` makes one")
        layout = Layout.of(address, client)
        if not layout.cluster:
            _bring_up(address, client, layout)
    finally:
        client.close()
    for host in layout.hosts if done != sql.migrations()[-1][0] else ():
        _bring_up_host(address, host, layout)


def init(address: Address, cluster: str, hosts: Sequence[str], *, replicas: bool) -> Layout:
    """Make the tables of a store on every host of a cluster; return where they are.

    `hosts` has HOST:PORT of each one's HTTP interface, in the order of `system.clusters`; without
    it they are taken from there, all with the port of the address. What is there already is
    brought up to date. Raises StoreError.
    """
    client = connect(address, database="")
    try:
        with failing(address):
            question = {"cluster": cluster}
            rows = client.query(sql.statement("cluster_hosts"), question).result_rows
        done = _done(address, client)
        there = Layout.of(address, _in_database(client, address)) if done is not None else None
    finally:
        client.close()
    if not rows:
        raise StoreError(f"{address} knows no cluster of that name; see its system.clusters")
    if hosts and len(hosts) != len(rows):
        raise StoreError(f"the cluster has {len(rows)} hosts; name as many, in their order there")
    if done and there and there.cluster != cluster:
        raise StoreError(
            f"{address} has another store already; name a database that is not there yet"
        )
    if there and there.cluster and there.shards != {shard for shard, _ in rows}:
        raise StoreError(there.grown)
    where = [name.rpartition(":") for name in hosts] or [
        (name, ":", str(address.port)) for _, name in rows
    ]
    found = tuple(
        Host(shard, name.strip("[]"), int(port))
        for (shard, _), (name, _, port) in zip(rows, where, strict=True)
    )
    layout = Layout(cluster, replicas, found)
    for host in layout.hosts:
        _bring_up_host(address, host, layout)
    return layout


def _bring_up_host(address: Address, host: Host, layout: Layout) -> None:
    there = at(address, host)
    client = connect(there, database="")
    try:
        _bring_up(there, client, layout)
    finally:
        client.close()


def _done(address: Address, client: HttpClient) -> int | None:
    """Return the last migration that a database has had, None if no store is there."""
    with failing(address):
        names = {"database": address.database}
        [(is_there,)] = client.query(sql.statement("has_migrations"), names).result_rows
        if not is_there:
            return None
        [(done,)] = _in_database(client, address).query(sql.statement("migrated")).result_rows
    latest = sql.migrations()[-1][0]
    if done > latest:
        raise StoreError(f"{address} is of a newer askfirst ({done}); this knows {latest}")
    return int(done)


def _in_database(client: HttpClient, address: Address) -> HttpClient:
    client.database = address.database
    return client


def _bring_up(address: Address, client: HttpClient, layout: Layout) -> None:
    """Run what a server has not had yet."""
    done = _done(address, client)
    names = {"database": address.database}
    with failing(address):
        if done is None:
            client.database = ""
            client.command(sql.statement("create_database"), names)
            _in_database(client, address).command(sql.statement("create_migrations"))
        if layout.cluster:
            client.command(sql.statement("create_hosts"))
            for host in layout.hosts:
                row = {"shard": host.shard, "host": host.name, "port": host.port}
                client.command(sql.statement("add_host"), row)
        for number, name, texts in sql.migrations():
            if number <= (done or 0):
                continue
            if layout.cluster:
                texts = sql.on_cluster(name, texts, replicas=layout.replicas)  # noqa: PLW2901
            for text in texts:
                client.command(text, {"cluster": layout.cluster}, settings=BEHIND)
            client.command(sql.statement("stamp"), {"number": number, "name": name})
