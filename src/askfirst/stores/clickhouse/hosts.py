"""The servers that a store is on: one, or the hosts of a cluster."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from askfirst.stores.base import StoreAwayError, StoreError
from askfirst.stores.clickhouse import sql
from askfirst.stores.clickhouse.connecting import Address, connect, failing

if TYPE_CHECKING:
    from clickhouse_connect.driver.httpclient import HttpClient


@dataclass(frozen=True, slots=True)
class Host:
    """A host of a cluster, and the port of its HTTP interface; those of one shard are replicas."""

    shard: int
    name: str
    port: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tables of a store are: without a `cluster`, on the server that is asked."""

    cluster: str = ""
    replicas: bool = False
    hosts: tuple[Host, ...] = ()

    @property
    def shards(self) -> set[int]:
        """Return the numbers of the shards."""
        return {host.shard for host in self.hosts}

    @property
    def grown(self) -> str:
        """Say why a cluster that has other shards now is of no use."""
        return (
            f"the store was made on {len(self.shards)} shards and its cluster has another number "
            "now, on which installations would lie elsewhere; give it its own cluster back, and "
            "move to a store on a new one"
        )

    @classmethod
    def of(cls, address: Address, client: HttpClient) -> Layout:
        """Ask a server how the store in its database is laid out. Raises StoreError."""
        with failing(address):
            names = {"database": address.database}
            [(cluster, replicas)] = client.query(sql.statement("layout"), names).result_rows
            if not cluster:
                return cls()
            rows = client.query(sql.statement("hosts")).result_rows
        return cls(cluster, bool(replicas), tuple(Host(*row) for row in rows))


class Hosts:
    """Connections to the servers of a store; queries may come from any thread.

    `front` is the server that was named. It is asked and given everything; what changes tables is
    done on each shard by itself, because not every cluster can pass that on.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.front = connect(address)
        self.layout = Layout.of(address, self.front)
        if self.layout.cluster:
            self._check_shards()
        if self.layout.replicas:  # one that has the rows of a quorum, as long as it lives
            self.front.set_client_setting("load_balancing", "in_order")
        self._lock = Lock()
        self._others: dict[Host, HttpClient] = {}

    def table(self, name: str) -> str:
        """Return the name of the table on one server that has the rows."""
        return sql.LOCAL + name if self.layout.cluster else name

    def each(self) -> Iterator[tuple[Address, HttpClient]]:
        """Yield every server. Raises StoreError for one that does not answer."""
        for host in self.layout.hosts:
            yield self._at(host)
        if not self.layout.hosts:
            yield self.address, self.front

    def each_shard(self) -> Iterator[tuple[Address, HttpClient]]:
        """Yield one server of every shard, the first that answers. Raises StoreError."""
        shards: dict[int, list[Host]] = {}
        for host in self.layout.hosts:
            shards.setdefault(host.shard, []).append(host)
        for replicas in shards.values():
            yield self._first(replicas)
        if not shards:
            yield self.address, self.front

    def close(self) -> None:
        """Close the connections."""
        for client in (self.front, *self._others.values()):
            client.close()

    def _check_shards(self) -> None:
        with failing(self.address):
            question = {"cluster": self.layout.cluster}
            rows = self.front.query(sql.statement("cluster_hosts"), question).result_rows
        if {shard for shard, _ in rows} != self.layout.shards:
            raise StoreError(self.layout.grown)

    def _first(self, replicas: Sequence[Host]) -> tuple[Address, HttpClient]:
        for host in replicas[:-1]:
            try:
                address, client = self._at(host)
                with failing(address):
                    client.command("SELECT 1")
            except StoreAwayError:
                continue
            return address, client
        return self._at(replicas[-1])

    def _at(self, host: Host) -> tuple[Address, HttpClient]:
        address = at(self.address, host)
        with self._lock:
            if host not in self._others:
                self._others[host] = connect(address)
            return address, self._others[host]


def at(address: Address, host: Host) -> Address:
    """Return the address of a database on another host, for the same user."""
    return dataclasses.replace(address, host=host.name, port=host.port)
