"""An answer -> one flat table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

Row = list[Any]


def csv_text(report: str, answer: dict[str, Any]) -> str:
    """Return an answer as CSV with a header; a figure that is null is an empty cell.

    `active` gives its series, `updates` a row for each version without its curve; `commands` a row
    for each command and each version of it (an empty version is the command as a whole);
    `retention` a row for each cohort and week; `quality` one for each day and kind. The others give
    a row for each figure.
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(TABLES.get(report, _figures)(answer))
    return out.getvalue()


def _figures(answer: dict[str, Any]) -> Iterator[Row]:
    yield ["figure", "value"]
    pending: list[tuple[str, Any]] = list(answer.items())
    while pending:
        name, value = pending.pop(0)
        if isinstance(value, dict):
            pending = [(f"{name}.{key}", child) for key, child in value.items()] + pending
        else:
            yield [name, " ".join(value) if isinstance(value, list) else value]


def _active(answer: dict[str, Any]) -> Iterator[Row]:
    yield from _table(answer["series"], ["day", "daily", "weekly", "monthly"])


def _updates(answer: dict[str, Any]) -> Iterator[Row]:
    figures = ["at_risk", "updated", "median_days", "q25_days", "q75_days", "low_days", "high_days"]
    yield from _table(answer["versions"], ["version", "released", "declared", *figures])


def _commands(answer: dict[str, Any]) -> Iterator[Row]:
    yield ["command", "version", "events", "installations", "regular"]
    for row in answer["commands"]:
        yield [row["command"], "", row["events"], row["installations"], row["regular"]]
        for version, counts in row["version"].items():
            yield [row["command"], version, counts["events"], counts["installations"], ""]


def _retention(answer: dict[str, Any]) -> Iterator[Row]:
    yield ["week", "size", "after", "active"]
    for cohort in answer["cohorts"]:
        for after, active in enumerate(cohort["active"]):
            yield [cohort["week"], cohort["size"], after, active]


def _quality(answer: dict[str, Any]) -> Iterator[Row]:
    yield ["day", "kind", "n"]
    for day in answer["days"]:
        figures = _figures({key: value for key, value in day.items() if key != "day"})
        next(figures)
        yield from ([day["day"], kind, n] for kind, n in figures)


def _table(rows: list[dict[str, Any]], columns: list[str]) -> Iterator[Row]:
    yield list(columns)
    yield from ([row[column] for column in columns] for row in rows)


TABLES: dict[str, Callable[[dict[str, Any]], Iterator[Row]]] = {
    "active": _active,
    "updates": _updates,
    "commands": _commands,
    "retention": _retention,
    "quality": _quality,
}
