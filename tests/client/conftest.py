"""Programs to run and collectors to deliver to, for the tests that need real ones."""

from __future__ import annotations

import subprocess
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


@pytest.fixture
def latin_1(tmp_path: Path) -> dict[str, str]:
    """The environment of a locale whose encoding is ISO-8859-1."""
    folder = tmp_path / "locales"
    folder.mkdir()
    how = ("localedef", "-c", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US")
    subprocess.run(how, check=True, capture_output=True)
    return {"LOCPATH": str(folder), "LC_ALL": "en_US"}
