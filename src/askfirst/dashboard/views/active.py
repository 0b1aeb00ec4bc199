"""How many installations use it, and how many regularly."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from askfirst import questions
from askfirst.dashboard.figures import COUNT, TEXT, Column, Figure, Number, Table, View, bars, lines
from askfirst.dashboard.selection import Selection
from askfirst.questions import history, sentences
from askfirst.questions.captions import caption
from askfirst.questions.sampling import interval_of, rate_of, share
from askfirst.questions.sentences import percent
from askfirst.stores.base import Store

PERIOD = 28  # days
MOST_PERIODS = 14
CHANGES = {
    "new": "first seen in the 28 days",
    "returning": "seen before them",
    "lost": "in the 28 days before, not since",
}


def view(store: Store, selection: Selection) -> View:
    """Show daily, weekly, monthly; and who came, stayed and left, by periods of 28 days."""
    answer = questions.ask(store, "active", selection.tool, selection.as_of, today=selection.today)
    begin = answer["series"][0]["day"] if answer["series"] else selection.as_of.isoformat()
    part = share(answer["regular"], answer["monthly"], rate_of(answer))
    note = "" if part is None else f"{percent(part)} of these"
    return View(
        sentences=(sentences.active(answer, selection.tool),),
        numbers=(
            Number("in 28 days", f"{answer['monthly']:,}", _between(answer, "monthly", "monthly")),
            Number("regular", f"{answer['regular']:,}", _between(answer, "regular", note)),
            Number("in 7 days", f"{answer['weekly']:,}", "weekly"),
            Number("on the day", f"{answer['daily']:,}", "daily"),
            *(
                Number(key, f"{answer[key]:,}", note)
                for key, note in CHANGES.items()
                if answer[key] is not None
            ),
        ),
        figures=(_series(answer, selection), _growth(store, selection, date.fromisoformat(begin))),
        filters=("range",),
        missing=history.said(answer),
    )


def _between(answer: dict[str, Any], key: str, certain: str) -> str:
    """Return the interval of an estimate; what to say beside a count instead."""
    found = interval_of(answer, key)
    return certain if found is None else f"{found[0]:,} to {found[1]:,}"


def series(store: Store, selection: Selection) -> Figure:
    """Return the lines alone."""
    answer = questions.ask(store, "active", selection.tool, selection.as_of, today=selection.today)
    return _series(answer, selection)


def _series(answer: dict[str, Any], selection: Selection) -> Figure:
    series = [row for row in answer["series"] if row["day"] >= selection.first.isoformat()]
    names = ("monthly", "weekly", "daily")
    columns = {name: [int(row[name]) for row in series] for name in names}
    days = [str(row["day"]) for row in series]
    return Figure(
        name="series",
        title="Active installations",
        caption=caption("active"),
        table=Table(
            (Column("day", "day", TEXT), *(Column(name, name, COUNT) for name in names)),
            tuple(zip(days, *columns.values(), strict=True)),
        ),
        chart=lines(days, columns, "installations", zoom=True),
        summary=_trend(days, columns["monthly"]),
    )


def _trend(days: list[str], monthly: list[int]) -> str:
    if not days:
        return "No day to show."
    return (
        f"From {days[0]} to {days[-1]} monthly active installations went from {monthly[0]:,} to "
        f"{monthly[-1]:,}; the highest was {max(monthly):,}."
    )


def _growth(store: Store, selection: Selection, begin: date) -> Figure:
    """Ask for each period of 28 days that ends within what is shown, the last one first."""
    ends = [selection.as_of]
    earliest = max(selection.first, begin)
    while ends[-1] - timedelta(days=PERIOD) >= earliest and len(ends) < MOST_PERIODS:
        ends.append(ends[-1] - timedelta(days=PERIOD))
    ends.reverse()
    found = {
        end.isoformat(): questions.headline(store, selection.tool, end, today=selection.today)
        for end in ends
    }
    whole = {end: row for end, row in found.items() if "history" not in row}
    labels, rows = list(whole), list(whole.values())
    columns = {
        "returning": [row["returning"] for row in rows],
        "lost": [row["lost"] for row in rows],
        "new": [row["new"] for row in rows],
        "regular": [row["regular"] for row in rows],
    }
    return Figure(
        name="growth",
        title="Who came, stayed and left",
        caption=caption("growth"),
        table=Table(
            (
                Column("until", "28 days until", TEXT),
                *(Column(name, name, COUNT) for name in columns),
            ),
            tuple(zip(labels, *columns.values(), strict=True)),
        ),
        chart=bars(
            labels,
            {**columns, "lost": [-lost for lost in columns["lost"]]},
            "installations",
            line="regular",
        ),
        summary=f"In the last 28 days {rows[-1]['new']:,} were new, {rows[-1]['returning']:,} "
        f"returned, {rows[-1]['lost']:,} were lost."
        if rows
        else "No 28 days to show.",
    )
