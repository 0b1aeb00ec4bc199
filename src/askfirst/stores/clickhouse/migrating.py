"""Brings a database to the schema of this version."""

from __future__ import annotations

from askfirst.stores.base import StoreError
from askfirst.stores.clickhouse import sql
from askfirst.stores.clickhouse.connecting import Address, connect, failing


def prepare(address: Address, *, create: bool) -> None:
    """Make a database and its tables, or bring them up to date.

    Collectors that start together may all do so: every statement can be run again. Raises
    StoreError; also, unless `create`, where no store is.
    """
    client = connect(address, database="")
    try:
        with failing(address):
            names = {"database": address.database}
            [(is_there,)] = client.query(sql.statement("has_migrations"), names).result_rows
            if not is_there and not create:
                raise StoreError(f"there is no store at {address}; `askfirst serve` makes one")
            if not is_there:
                client.command(sql.statement("create_database"), names)
            client.database = address.database
            if not is_there:
                client.command(sql.statement("create_migrations"))
            [(done,)] = client.query(sql.statement("migrated")).result_rows
            latest = sql.migrations()[-1][0]
            if done > latest:
                raise StoreError(f"{address} is of a newer askfirst ({done}); this knows {latest}")
            for number, name, texts in sql.migrations():
                if number > done:
                    for text in texts:
                        client.command(text)
                    client.command(sql.statement("stamp"), {"number": number, "name": name})
    finally:
        client.close()
