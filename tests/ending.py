"""Processes that end with the test that started them, also when it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def opened(*words: Any, **settings: Any) -> Iterator[subprocess.Popen[Any]]:
    """Open a process as `subprocess.Popen` does, and kill it when the block fails.

    `with Popen(…)` by itself waits, and a failed test has not told its process to end: the wait
    would be for good.
    """
    with subprocess.Popen(*words, **settings) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
