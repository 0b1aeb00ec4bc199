"""Which events may be stored already, by moment and id, for each tool.

Kept in files beside the store (see runs.py), which its table `runs` lists: a load writes its file
first and lists it in its own transaction, so that the two agree whatever dies in between. A file
that is missing or damaged is made anew from the events.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import numpy as np

from askfirst.stores.base import StoreError
from askfirst.stores.duckdb import connecting, runs, sql
from askfirst.stores.duckdb.pieces import pieces
from askfirst.stores.duckdb.runs import Codes, Mask, Run

HOUR_MS = 3_600_000
PIECE = 500_000  # events read at a time when a file is made anew: 12 MB
FAN = 8  # files of about one size become one
# Files are merged with others of their level; those with more codes (8 MB) are left alone, so
# that no load waits much more than a second for a merge, and old files are not looked into.
LEVELS = (1 << 15, 1 << 18, 1 << 21)

UNSYNCED = 1 << 18  # codes; up to here a checksum does, which is compared at every start

ID_DAYS = 60  # after its arrival, an event's id is needed no more: no client sends it so late
SPARE_DAYS = 30  # a store is written anew for the sake of ids once a month

SUFFIX = "-seen"


class Seen:
    """The files of one store. Changes count once `settle` is called; `close` leaves them.

    Not for several threads at a time.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._runs: dict[int, list[Run]] | None = None  # by tool; None: not opened yet
        self._opened: list[Run] = []  # those of before the transaction that is under way, too

    def move(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Work through another connection from now on."""
        self._connection = connection

    def may_hold(self, tool: int, sought: Codes) -> Mask:
        """Tell for each event of a tool, sorted by code, whether it may be stored already: one that
        is not here is not, and one that is has to be compared.
        """
        found = np.zeros(len(sought), bool)
        for run in self._of(tool):
            found |= run.holds(sought)
        return found

    def add(self, tool: int, new: Codes) -> None:
        """Note events of a tool, sorted by code, as stored; before they are."""
        there = self._of(tool)
        made = self._write(tool, [new], sync=False)
        there = self._set(tool, [*there, *made])
        small = _to_merge(there)
        if small:
            self._replace(tool, small, runs.merged(small))

    def drop(self, tool: int, gone: Codes) -> None:
        """Forget events of a tool, sorted by code. Others may have the same code: theirs stay."""
        for run in self._open().get(tool, []):
            if run.holds(gone).any():
                self._replace(tool, [run], runs.merged([run], gone=gone))
                gone = runs.without(gone, run.between(run.first, run.last + 1))

    def drop_before(self, tool: int, before: int) -> None:
        """Forget events of a tool with a moment before `before` (ms UTC)."""
        for run in self._open().get(tool, []):
            if run.first < before << runs.SHIFT:
                self._replace(tool, [run], runs.merged([run], before=before << runs.SHIFT))

    def settle(self) -> None:
        """The transaction is committed: delete files that are listed no more."""
        kept = [run for of_tool in (self._runs or {}).values() for run in of_tool]
        names = {run.path for run in kept}
        gone = [run for run in self._opened if run.path not in names]
        self._opened = kept
        for run in gone:
            run.close()
        _delete(run.path for run in gone)

    def close(self) -> None:
        """Let go of the files, and of what is not settled; the table says what counts."""
        for run in self._opened:
            run.close()
        self._runs, self._opened = None, []

    def files(self) -> list[Path]:
        """Return where they are."""
        return list(self._folder.glob("*"))

    def problems(self) -> list[str]:
        """Say which files are missing or damaged: they are made anew at the next start."""
        found = []
        for _, number, size, crc in _listed(self._connection):
            try:
                Run(self._path(number), size, crc).close()
            except StoreError as error:
                found.append(str(error))
        return found

    def _of(self, tool: int) -> list[Run]:
        """Return the files of a tool, made anew if they are not there as they should be."""
        files = self._open()
        if tool not in files:
            return self._set(tool, self._made_anew(tool))
        return files[tool]

    def _open(self) -> dict[int, list[Run]]:
        """Open the files that are listed, except of tools whose files do not hold every id that is
        kept.
        """
        if self._runs is None:
            listed = _listed(self._connection)
            names = {self._path(number) for _, number, *_ in listed}
            _delete(path for path in self._folder.glob("*") if path not in names)
            self._runs = {}
            for tool, stored in self._connection.execute(
                sql.statement("events_of_tools")
            ).fetchall():
                rows = [row[1:] for row in listed if row[0] == tool]
                if sum(size for _, size, _ in rows) == stored:
                    with suppress(StoreError):  # damaged: it is made anew when it is needed
                        self._runs[tool] = [self._run(*row) for row in rows]
        return self._runs

    def _run(self, number: int, size: int, crc: int | None = None) -> Run:
        run = Run(self._path(number), size, crc)
        self._opened.append(run)
        return run

    def _made_anew(self, tool: int) -> list[Run]:
        """Write one file of all events of a tool."""
        self._connection.execute(sql.statement("forget_runs"), {"tool": tool})
        return self._write(tool, self._all(tool))

    def _all(self, tool: int) -> Iterator[Codes]:
        hours = self._connection.execute(sql.statement("hours_of"), {"tool": tool}).fetchall()
        for first, last in pieces(hours, PIECE):
            stretch = {"tool": tool, "low": first * HOUR_MS, "high": (last + 1) * HOUR_MS}
            found = self._connection.execute(sql.statement("identities"), stretch).fetchnumpy()
            moment = np.ma.getdata(found["timestamp"])
            rest, low = (np.ma.getdata(found[half]) for half in ("id_rest", "id_low"))
            halves = np.stack([rest ^ moment << 16, low], axis=1)
            yield np.sort(runs.codes(moment, runs.prints(moment, halves)))

    def _replace(self, tool: int, old: list[Run], merged: Iterable[Codes]) -> None:
        made = self._write(tool, merged, sync=sum(run.size for run in old) > UNSYNCED)
        self._unlist(old)
        self._set(tool, [*(run for run in self._open()[tool] if run not in old), *made])

    def _set(self, tool: int, files: list[Run]) -> list[Run]:
        self._open()[tool] = files
        return files

    def _write(self, tool: int, codes: Iterable[Codes], *, sync: bool = True) -> list[Run]:
        """Write one file, or none if there are no codes.

        One that is not synced has a checksum: if a power cut damages it, it is made anew.
        """
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # by chance, because an older copy of the store may be put back and counted on from there
        number = secrets.randbits(62)
        path = self._path(number)
        size, crc = runs.write(path, codes, sync=sync)
        if not size:
            path.unlink()
            return []
        if sync:
            connecting.sync(self._folder)
        row = {"tool": tool, "number": number, "size": size, "crc": None if sync else crc}
        self._connection.execute(sql.statement("add_run"), row)
        return [self._run(number, size)]

    def _unlist(self, files: list[Run]) -> None:
        numbers = [int(run.path.stem) for run in files]
        self._connection.execute(sql.statement("forget_some_runs"), {"numbers": numbers})

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:019d}.run"


def _delete(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):  # what is not listed is tried again at the next start
            path.unlink()


def _listed(
    connection: duckdb.DuckDBPyConnection,
) -> list[tuple[int, int, int, int | None]]:
    return connection.execute(sql.statement("runs")).fetchall()


def _to_merge(files: list[Run]) -> list[Run]:
    """Return FAN files of about one size, if there are so many."""
    low = 0
    for high in LEVELS:
        same = [run for run in files if low <= run.size < high]
        if len(same) >= FAN:
            return same
        low = high
    return []
