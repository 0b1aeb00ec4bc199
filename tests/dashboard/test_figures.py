"""Tables for people and programs."""

from __future__ import annotations

import csv
import io

from askfirst.dashboard.figures import COUNT, DAYS, SHARE, TEXT, Column, Figure, Table, View
from askfirst.dashboard.rendering import cell, tied

TABLE = Table(
    (Column("day", "day", TEXT), Column("n", "how many", COUNT), Column("share", "share", SHARE)),
    (("2026-11-24", 1284, 0.5), ("2026-11-25", 0, None)),
)


def test_a_table_is_csv_with_raw_values() -> None:
    rows = list(csv.reader(io.StringIO(TABLE.as_csv())))
    assert rows == [["day", "n", "share"], ["2026-11-24", "1284", "0.5"], ["2026-11-25", "0", ""]]


def test_a_table_is_objects_for_json() -> None:
    assert TABLE.as_objects()[1] == {"day": "2026-11-25", "n": 0, "share": None}


def test_cells_are_for_people() -> None:
    nbsp = "\N{NO-BREAK SPACE}"
    assert cell(1284, COUNT) == "1,284"
    assert cell(0.0667, SHARE) == f"6.7{nbsp}%"
    assert cell(3.21, DAYS) == "3.2"
    assert cell(None, DAYS) == "\N{EN DASH}"
    assert cell(1284, TEXT) == "1284"
    assert cell("fewer than 10", COUNT) == "fewer than 10"
    assert tied("95 % of 3") == f"95{nbsp}% of 3"


def test_a_view_finds_its_figures() -> None:
    figure = Figure("series", "title", "caption", TABLE)
    assert View(figures=(figure,)).figure("series") is figure
    assert View(figures=(figure,)).figure("other") is None
