"""Answers from the events of 28 days: who named what, and who used which command.

That two keys occur together is a flag in an array, at a place made of both: for 4 million events a
tenth of a second, where grouping them in SQL takes five times as long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from askfirst.stores.duckdb.bits import Rows

DAYS = 28
REGULAR = 4  # different days
MOST_FLAGS = 1 << 26  # bytes; where more would be needed, places are sorted instead

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int32]
Columns = Mapping[str, Keys]  # `day` counts from 0; of keys, 0 is none


def applications(parts: Iterable[Columns]) -> dict[str, Rows]:
    """Answer `applications`: rows of (applications, installations that named so many); and
    `side_by_side`: how many installations named two or more on one day.
    """
    tally: Counter[int] = Counter()
    side_by_side = 0
    for part in parts:
        who = part["installation"]
        what = _keys(who, part["application"])
        owner = _owners(what, who)
        _count(tally, np.bincount(owner[owner > 0]))
        place, day = _pairs(what, part["day"], DAYS)
        of_day = np.sort((owner[place].astype(np.int64) * DAYS + day)[place > 0])
        both = of_day[1:][of_day[1:] == of_day[:-1]] // DAYS
        side_by_side += int(np.count_nonzero(np.diff(both, prepend=-1)))
    return {"applications": _rows(tally), "side_by_side": [(side_by_side,)]}


def environments(parts: Iterable[Columns]) -> dict[str, Rows]:
    """Answer `environments_per_application` and `environments_per_installation`: rows of
    (environments, how many applications or installations named so many).
    """
    of_application: Counter[int] = Counter()
    of_installation: Counter[int] = Counter()
    for part in parts:
        who = part["installation"]
        what = _keys(who, part["environment"])
        owner = _owners(what, who)
        _count(of_installation, np.bincount(owner[owner > 0]))
        number = _numbers(owner)
        where, own = _pairs(
            _keys(who, part["application"]), number[what], int(number.max(initial=0)) + 1
        )
        _count(of_application, np.bincount(where[(where > 0) & (own > 0)]))
    return {
        "environments_per_application": _rows(of_application),
        "environments_per_installation": _rows(of_installation),
    }


def commands(
    parts: Iterable[Columns], names: Mapping[int, str], versions: Mapping[int, str]
) -> dict[str, Rows]:
    """Answer `commands`: rows of (command, version, events, installations, regular); a row whose
    version is None sums up its command. `names` and `versions` say what keys stand for.
    """
    command_keys, version_keys = sorted(names), sorted(versions)
    shape = len(command_keys), len(version_keys)
    found = np.zeros((3, *shape), np.int64)  # events, installations, regular
    whole = np.zeros((2, len(command_keys)), np.int64)  # installations, regular
    for part in parts:
        who = part["installation"]
        use = _codes(part["command"], command_keys) * np.int32(len(version_keys))
        use += _codes(part["version"], version_keys)
        people, _ = _pairs(who, part["day"], DAYS)
        regular = np.bincount(people, minlength=int(who.max(initial=0)) + 1) >= REGULAR
        users, using = _pairs(who, use, shape[0] * shape[1])
        size = shape[0] * shape[1]
        counts = (use, using, using[regular[users]])
        found += [np.bincount(one, minlength=size).reshape(shape) for one in counts]
        users, using = _pairs(users, using // max(len(version_keys), 1), len(command_keys))
        whole += [np.bincount(one, minlength=len(names)) for one in (using, using[regular[users]])]
    rows: Rows = []
    for at, command in enumerate(command_keys):
        if found[0, at].any():
            rows.append((names[command], None, int(found[0, at].sum()), *whole[:, at].tolist()))
        rows += [
            (names[command], versions[version], *found[:, at, place].tolist())
            for place, version in enumerate(version_keys)
            if found[0, at, place]
        ]
    return {"commands": rows}


def _pairs(
    one: npt.NDArray[np.integer], other: npt.NDArray[np.integer], size: int
) -> tuple[Ints, Ints]:
    """Return the different pairs; the numbers in `other` are from 0 and below `size`."""
    most = (int(one.max(initial=0)) + 1) * size
    if most <= MOST_FLAGS:
        there = np.zeros(most, bool)
        there[
            one.astype(np.int32, copy=False) * np.int32(size) + other.astype(np.int32, copy=False)
        ] = True
        places = np.flatnonzero(there)
    else:
        ordered = np.sort(
            one.astype(np.int64) * size + other
        )  # numpy.unique takes 20 times as long
        places = ordered[np.diff(ordered, prepend=-1) != 0]
    first: Ints = places // max(size, 1)
    return first, places - first * size


def _codes(column: Keys, keys: list[int]) -> Keys:
    """Return the place of each key among `keys`."""
    place = np.zeros(max(keys, default=0) + 1, np.int32)
    place[keys] = np.arange(len(keys), dtype=np.int32)
    found: Keys = place[column]
    return found


def _keys(who: Keys, number: Keys) -> Keys:
    """Return keys in the place of numbers that are each installation's own; 0 stays 0."""
    most = np.zeros(int(who.max(initial=0)) + 1, np.int32)
    np.maximum.at(most, who, number)
    before = np.cumsum(most, dtype=np.int32) - most
    keys: Keys = before[who]
    keys += number
    keys *= number > 0  # in place: there are millions
    return keys


def _owners(what: Keys, who: Keys) -> Keys:
    """Return by key whose it is, 0 for nobody's: that of an application or environment belongs to
    one installation.
    """
    owner = np.zeros(int(what.max(initial=0)) + 1, np.int32)
    owner[what] = who
    owner[0] = 0
    return owner


def _numbers(owner: Keys) -> Keys:
    """Number what everybody has, from 1; what is nobody's is 0."""
    order = np.argsort(owner, kind="stable")
    begins = np.flatnonzero(np.diff(owner[order], prepend=-1))
    sizes = np.diff(begins, append=len(order))
    number = np.zeros(len(owner), np.int32)
    number[order] = np.arange(len(order)) - np.repeat(begins, sizes) + 1
    number[owner == 0] = 0
    return number


def _count(tally: Counter[int], counts: npt.NDArray[np.intp]) -> None:
    """Add how many have how many; who has none does not count."""
    for number, many in enumerate(np.bincount(counts).tolist()):
        if number and many:
            tally[number] += many


def _rows(tally: Counter[int]) -> Rows:
    return [*sorted(tally.items())]
