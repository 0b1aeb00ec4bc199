"""A path or URL -> the store behind it."""

from __future__ import annotations

import os
from pathlib import Path

from askfirst.stores.base import Store, StoreError


def open_store(url_or_path: str | os.PathLike[str], *, create: bool = True) -> Store:
    """Open the store at a path (the embedded engine) or a URL, and migrate it if it is older.

    With `create` false, a path where nothing is raises StoreError instead of making a new store.
    Raises StoreHeldError while another process holds it, StoreError for anything else in the way.
    """
    place = os.fspath(url_or_path)
    scheme, separator, _ = place.partition("://")
    if separator and scheme == "clickhouse":
        raise StoreError("the clickhouse engine is not part of this version; give a path instead")
    if separator:
        raise StoreError(f"no store speaks {scheme}://; give a path for the embedded engine")
    from askfirst.stores.duckdb.store import DuckDBStore

    path = Path(place).expanduser()
    if not create and not path.exists():
        raise StoreError(f"there is no store at {path}; `askfirst serve` makes one")
    return DuckDBStore(path)
