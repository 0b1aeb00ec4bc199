"""How many installations use the tool, and how many regularly."""

from __future__ import annotations

from typing import Any, TypedDict, cast

import numpy as np
import numpy.typing as npt

from askfirst.questions.calendar import day_text
from askfirst.stores.base import Store

SERIES_DAYS = 400  # rows of the series at the most
WEEK, MONTH = 7, 28


class Active(TypedDict):
    """Numbers of installations. An installation is active on a day that an event of it has.

    `daily`, `weekly` and `monthly`: active on `as_of`, in the trailing 7 days, in the trailing 28.
    `regular`: active on at least 4 different days of the 28. `new`: first seen in the 28.
    `returning`: `monthly` minus `new`. `lost`: active in the 28 days before the 28, and not since.
    """

    as_of: str
    daily: int
    weekly: int
    monthly: int
    regular: int
    new: int
    returning: int
    lost: int


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with the keys of Active and `series`: `day`, `daily`, `weekly`, `monthly`.

    The series has one row a day up to `as_of`, from the first event, and 400 rows at the most; the
    windows of its first rows reach back further.
    """
    answer, first = _headline(store, tool, as_of)
    if first is None:
        return {**answer, "series": []}
    start = max(first, as_of - SERIES_DAYS + 1)
    return {**answer, "series": _series(store, tool, start, as_of)}


def headline(store: Store, tool: str, as_of: int) -> Active:
    """Answer for `as_of` alone."""
    return _headline(store, tool, as_of)[0]


def _headline(store: Store, tool: str, as_of: int) -> tuple[Active, int | None]:
    """Return the answer and the day of the first event."""
    [row] = store.query("activity", {"tool": tool, "as_of": as_of})
    daily, weekly, monthly, regular, new, lost, first = cast("tuple[int, ...]", row)
    answer = Active(
        as_of=day_text(as_of),
        daily=daily,
        weekly=weekly,
        monthly=monthly,
        regular=regular,
        new=new,
        returning=monthly - new,
        lost=lost,
    )
    return answer, first


def _series(store: Store, tool: str, start: int, as_of: int) -> list[dict[str, Any]]:
    """Sum trailing windows: a day of activity covers the window behind it, up to the next such day.

    An installation active on day d and next on day d + gap is in a window of w days on the
    min(w, gap) days from d on; so it is counted once on each day, however active it is.
    """
    begin = start - MONTH + 1
    rows = store.query("active_days", {"tool": tool, "first": begin, "as_of": as_of})
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    day, gap, n = table[:, 0] - begin, table[:, 1], table[:, 2]
    length = as_of - begin + 1
    columns = [_trailing(day, gap, n, window, length) for window in (1, WEEK, MONTH)]
    return [
        {
            "day": day_text(begin + at),
            "daily": int(columns[0][at]),
            "weekly": int(columns[1][at]),
            "monthly": int(columns[2][at]),
        }
        for at in range(start - begin, length)
    ]


def _trailing(
    day: npt.NDArray[np.int64],
    gap: npt.NDArray[np.int64],
    n: npt.NDArray[np.int64],
    window: int,
    length: int,
) -> npt.NDArray[np.int64]:
    change = np.zeros(length + MONTH, np.int64)
    np.add.at(change, day, n)
    np.subtract.at(change, day + np.minimum(gap, window), n)
    return np.cumsum(change)[:length]
