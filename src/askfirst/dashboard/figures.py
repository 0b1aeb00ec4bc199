"""What pages are made of: sentences, numbers, and figures with the table behind them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from askfirst.questions.sentences import Sentence

Row = Sequence[Any]

TEXT, COUNT, DAYS, SHARE = "text", "count", "days", "share"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name for programs, its heading for people, the kind of its cells.

    Kinds: TEXT, COUNT, DAYS (a duration), SHARE (0 to 1). None is "no figure".
    """

    key: str
    heading: str
    kind: str = COUNT


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of raw values below columns; the first column names the row."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def as_csv(self) -> str:
        """Return the rows as CSV with a header; None is an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([column.key for column in self.columns])
        writer.writerows(self.rows)
        return out.getvalue()

    def as_objects(self) -> list[dict[str, Any]]:
        """Return the rows as objects for JSON."""
        keys = [column.key for column in self.columns]
        return [dict(zip(keys, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, what it counts, and the table behind it.

    `chart` is what `askfirst.js` draws; None for a table alone. `summary` says in a sentence what
    the chart shows, for whoever does not see it.
    """

    name: str
    title: str
    caption: str
    table: Table
    chart: Mapping[str, Any] | None = None
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Number:
    """A figure that stands alone: what is counted, how many, and a note."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What one page says. `filters` names the choices that change something on it.

    `missing` says what is not in it because events are past their retention; "" for nothing.
    """

    sentences: tuple[Sentence, ...] = ()
    numbers: tuple[Number, ...] = ()
    figures: tuple[Figure, ...] = ()
    filters: tuple[str, ...] = ()
    versions: tuple[str, ...] = field(default=())
    missing: str = ""

    def figure(self, name: str) -> Figure | None:
        """Return the figure of that name."""
        return next((figure for figure in self.figures if figure.name == name), None)


def lines(
    x: Sequence[str], series: Mapping[str, Sequence[float | None]], unit: str, **more: Any
) -> dict[str, Any]:
    """Return a chart of lines over days or labels."""
    rows = [{"name": name, "values": list(values)} for name, values in series.items()]
    return {"kind": "lines", "x": list(x), "series": rows, "unit": unit, **more}


def bars(
    x: Sequence[str], series: Mapping[str, Sequence[float | None]], unit: str, **more: Any
) -> dict[str, Any]:
    """Return a chart of bars, stacked if there are several series."""
    return {**lines(x, series, unit), "kind": "bars", **more}
