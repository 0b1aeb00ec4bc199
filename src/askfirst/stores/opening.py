"""A path or URL -> the store behind it."""

from __future__ import annotations

import os
from pathlib import Path

from askfirst.stores.base import Store, StoreError

PASSWORD = "ASKFIRST_STORE_PASSWORD"  # noqa: S105 - the name of a variable


def open_store(
    url_or_path: str | os.PathLike[str],
    *,
    create: bool = True,
    collector: str = "",
    patient: bool = False,
) -> Store:
    """Open the store at a path (the embedded engine) or a URL, and migrate it if it is older.

    `collector` tells the logs of this collector from those of others that share a store at a URL.
    The password of a URL that has none is in ASKFIRST_STORE_PASSWORD: a process list shows what is
    on a command line. With `patient`, a server that does not answer is waited for: until it does,
    the store's methods raise StoreAwayError. With `create` false, a path where nothing is raises
    StoreError instead of making a new store. Raises StoreHeldError while another process holds it,
    StoreError for anything else in the way.
    """
    place = os.fspath(url_or_path)
    if "://" in place:
        identity(place)  # refuses what is none
        from askfirst.stores.clickhouse.store import ClickHouseStore

        password = os.environ.get(PASSWORD, "")
        return ClickHouseStore(
            place, create=create, collector=collector, patient=patient, password=password
        )
    from askfirst.stores.duckdb.store import DuckDBStore

    path = path_of(place)
    if not create and not path.exists():
        raise StoreError(f"there is no store at {path}; `askfirst serve` makes one")
    return DuckDBStore(path)


def path_of(place: str) -> Path:
    """Return the path of a store's file without `~` and links, however it is named.

    So what is kept beside the file is beside it for everybody, and what was erased is not left in a
    file that a link leads to. Raises StoreError.
    """
    try:
        path = Path(place).expanduser().resolve()
    except (RuntimeError, OSError, ValueError) as error:  # no home, links in a circle
        raise StoreError(f"{place} cannot be used as a store: {error}") from error
    if path.is_dir():
        raise StoreError(f"{place} cannot be a store, it is a folder; give the path of a file")
    return path


def identity(place: str) -> str:
    """Return what tells a store at a URL or path from any other, whoever asks and with what
    password. Raises StoreError for what is no address of one.
    """
    scheme, separator, _ = place.partition("://")
    if not separator:
        return place
    if scheme not in ("clickhouse", "clickhouses"):
        raise StoreError(
            f"no store speaks {scheme}://; give a path for the embedded engine, or clickhouse://"
        )
    from askfirst.stores.clickhouse.connecting import Address

    return str(Address.of(place))


def shown(place: str) -> str:
    """Return a path or URL without who asks and the password, for people and logs."""
    scheme, separator, rest = place.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else place
