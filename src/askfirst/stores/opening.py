"""A path or URL -> the store behind it."""

from __future__ import annotations

import os
from pathlib import Path

from askfirst.stores.base import Store, StoreError


def open_store(
    url_or_path: str | os.PathLike[str],
    *,
    create: bool = True,
    collector: str = "",
    patient: bool = False,
) -> Store:
    """Open the store at a path (the embedded engine) or a URL, and migrate it if it is older.

    `collector` tells the logs of this collector from those of others that share a store at a URL.
    With `patient`, a server that does not answer is waited for: until it does, the store's methods
    raise StoreAwayError. With `create` false, a path where nothing is raises StoreError instead of
    making a new store. Raises StoreHeldError while another process holds it, StoreError for
    anything else in the way.
    """
    place = os.fspath(url_or_path)
    scheme, separator, _ = place.partition("://")
    if separator and scheme in ("clickhouse", "clickhouses"):
        from askfirst.stores.clickhouse.store import ClickHouseStore

        return ClickHouseStore(place, create=create, collector=collector, patient=patient)
    if separator:
        raise StoreError(
            f"no store speaks {scheme}://; give a path for the embedded engine, or clickhouse://"
        )
    from askfirst.stores.duckdb.store import DuckDBStore

    path = Path(place).expanduser()
    if not create and not path.exists():
        raise StoreError(f"there is no store at {path}; `askfirst serve` makes one")
    return DuckDBStore(path)
