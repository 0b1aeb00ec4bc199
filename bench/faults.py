"""What a client does to the command that it is in when the network does not play along."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

import servers
from processes import CAP_S, run

if TYPE_CHECKING:
    from pathlib import Path

    from cases import Case

PATIENT_MS = 500  # an answer this long after the program's end shows as a held pipe
QUICK_MS = 2_000  # what takes longer is run once only


class Fault(NamedTuple):
    """What one fault did.

    `added`: wall time over the program without telemetry, in ms, the median of `rounds` pairs.
    `over_well`: over the same program with a server that answers, likewise: what the fault itself
    adds; None for what takes seconds.
    `held`: until nobody holds the program's stdout any more, in ms, beyond its end. `kept`: the
    event arrived when the network was well again. `lines`: printed. `code`: the program's exit
    code, None if it ran into the cap.
    """

    added: float
    over_well: float | None
    held: float
    kept: bool
    lines: int
    code: int | None
    rounds: int


def try_faults(case: Case, folder: Path, well: servers.Answering, rounds: int) -> dict[str, Fault]:
    """Return what a closed port and a silent server did to a case."""
    with servers.silent() as url:
        return {
            "closed": _try(case, folder / "closed", servers.closed(), well, rounds),
            "silent": _try(case, folder / "silent", url, well, rounds),
        }


def _try(case: Case, folder: Path, url: str, well: servers.Answering, rounds: int) -> Fault:
    folder.mkdir(parents=True)
    first = case.elsewhere(folder / "first", url, "mark-first")
    argv, env = first.start(case.program)
    done = run(argv, env)
    kept = _arrives(first, well)
    added = [done.wall - first.run(case.without).wall]
    over_well: list[float] = []
    while len(over_well) < rounds and done.wall < QUICK_MS:
        # homes of their own for each, or the client would be backing off after the first
        name = str(len(over_well))
        with_fault = case.elsewhere(folder / f"{name}-fault", url, "mark-again")
        with_well = case.elsewhere(folder / f"{name}-well", well.url, "mark-again")
        without = _wall(with_fault, case.without)
        wall = _wall(with_fault, case.program)
        added.append(wall - without)
        over_well.append(wall - _wall(with_well, case.program))
    return Fault(
        statistics.median(added),
        statistics.median(over_well) if over_well else None,
        done.held - done.wall,
        kept,
        len(done.said.splitlines()),
        done.code,
        len(added),
    )


def _wall(case: Case, program: str) -> float:
    argv, env = case.start(program)
    return run(argv, env, CAP_S, linger=False).wall


def _arrives(case: Case, well: servers.Answering) -> bool:
    """Give the event another chance, with a server that answers; tell whether it took it."""
    well.came.clear()
    wanted = case.spelling("mark-first")
    case.elsewhere(case.home.with_name("well-again"), well.url, "mark-later").run(case.later)
    return any(wanted in text for text in well.came)
