"""A collector that many hostile tests share: it has to stand all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.collector.hostile.wire import collector, healthy
from tests.collector.serving import Server


@pytest.fixture(scope="module", name="shared")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with collector(tmp_path_factory.mktemp("hostile")) as server:
        yield server


@pytest.fixture(name="server")
def _server(shared: Server) -> Iterator[Server]:
    """Return the shared collector; afterwards it must still be well, and silent."""
    yield shared
    healthy(shared)
