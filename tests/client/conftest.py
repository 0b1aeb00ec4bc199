"""Programs to run and collectors to deliver to, for the tests that need real ones."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.client.receiving import Receiver

if sys.platform != "win32":  # these drive programs in a pseudo-terminal
    from tests.client.program import program
    from tests.client.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["program"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector on loopback."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[Tool]:
    """A program without a framework whose user said Yes; no delivery is due."""
    tool = Tool(tmp_path)
    tool.agree()
    yield tool
    tool.close()
