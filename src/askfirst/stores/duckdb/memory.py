"""How much memory DuckDB may take: little while it loads, more for the seconds of a question."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

import duckdb

MIB = 1 << 20
LOADING = 48  # MiB, sealing included; what does not fit is spilled, which costs a load 4 %
READING = 256  # or rewriting, all of it
# The largest question on 50 million events fits; with LOADING it would take ten times as long.
ASKING = 1024


class Memory:
    """The limit of one instance of DuckDB: the most that anything under way asks for.

    To be asked only by who keeps the connection from being closed meanwhile: DuckDB half closes one
    of which a cursor is at work, and then refuses.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._least = LOADING
        self._wanted: list[int] = []
        self._changing = threading.Lock()

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Look after another instance from now on, which begins with LOADING."""
        self._connection = connection

    def was_too_little(self) -> None:
        """Allow READING from the next change on, whatever is done: something could not be spilled,
        and is tried again.
        """
        self._least = READING

    @contextlib.contextmanager
    def of(self, mib: int) -> Iterator[None]:
        """Allow `mib` MiB, but not more than half of the machine's."""
        self._change(self._wanted.append, mib)
        try:
            yield
        finally:
            self._change(self._wanted.remove, mib)

    def _change(self, how: Callable[[int], None], mib: int) -> None:
        with self._changing:
            how(mib)
            # refused by a DuckDB whose settings cannot be changed (see connecting.py), or because a
            # load under way holds more at this moment; the next question's end tries again
            with contextlib.suppress(duckdb.Error), self._connection.cursor() as cursor:
                cursor.execute(setting(max([self._least, *self._wanted])))


def setting(mib: int) -> str:
    """Return the statement that sets the limit."""
    return f"SET memory_limit = '{min(mib, _half())}MiB'"


def _half() -> int:
    """Return half of the machine's memory in MiB."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MIB // 2
    except (AttributeError, ValueError, OSError):  # Windows; a kernel that does not say
        return 2 * ASKING
