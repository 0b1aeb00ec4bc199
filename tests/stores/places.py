"""Where a store of either engine can be made, for tests that hold for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ENGINES = ("duckdb", "clickhouse")
CLUSTER = "cluster"  # the second engine, on two servers: what costs much is not tried there again


@contextmanager
def place(engine: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the path or URL of a store that is not there yet; remove what was made at a server."""
    if engine == "duckdb":
        yield str(folder / "store.duckdb")
        return
    server = request.getfixturevalue(engine)
    url = server.new()
    try:
        yield url
    finally:
        server.drop(url)
