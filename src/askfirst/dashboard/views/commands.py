"""Who would feel a breaking change to a command."""

from __future__ import annotations

from typing import Any

from askfirst import questions
from askfirst.dashboard.figures import COUNT, SHARE, TEXT, Column, Figure, Number, Table, View, bars
from askfirst.dashboard.selection import ALL, NEWEST, Selection
from askfirst.questions import commands, history, intervals, sentences
from askfirst.questions.captions import caption
from askfirst.questions.sampling import rate_of, share
from askfirst.questions.sentences import Sentence, percent
from askfirst.stores.base import Store

MOST_VERSIONS = 6  # in one chart
NUMBERS = 4

Answer = dict[str, Any]


def view(store: Store, selection: Selection) -> View:
    """Show for each command how many regular installations would miss it."""
    answer = questions.ask(
        store, "commands", selection.tool, selection.as_of, today=selection.today
    )
    rows = answer["commands"]
    headline = questions.headline(store, selection.tool, selection.as_of, today=selection.today)
    versions = commands.versions(rows)
    least = sorted(rows, key=lambda row: (row["regular"], row["installations"], row["command"]))
    return View(
        sentences=_sentences(least, headline["regular"]),
        numbers=tuple(
            Number(row["command"], f"{row['regular']:,}", _share(row, headline["regular"]))
            for row in least[:NUMBERS]
        ),
        figures=(
            _impact(rows, headline["regular"]),
            _by_version(rows, _chosen(versions, selection.version)),
        ),
        filters=("version",),
        versions=tuple(reversed(versions)),
        missing=history.said(answer),
    )


def _chosen(versions: list[str], wanted: str) -> list[str]:
    if wanted == ALL:
        return versions
    if wanted == NEWEST:
        return versions[-MOST_VERSIONS:]
    return [version for version in versions if version == wanted]


def _sentences(least: list[Answer], regular: int) -> tuple[Sentence, ...]:
    used = [row for row in least if row["regular"]]
    if not used:
        return (Sentence.of("No regular installation used a command of the contract yet."),)
    return (sentences.removal(used[0], regular),)


def _share(row: Answer, regular: int) -> str:
    part = share(row["regular"], regular, rate_of(row))
    return "" if part is None else f"{percent(part, 1)} of the regular"


def _impact(rows: list[Answer], regular: int) -> Figure:
    table = []
    for row in rows:
        sure = intervals.share(row["regular"], regular, rate_of(row)) or (None, None)
        part = share(row["regular"], regular, rate_of(row))
        counts = (row["regular"], part, *sure, row["installations"], row["events"])
        table.append((row["command"], *counts))
    names = [row["command"] for row in rows]
    return Figure(
        name="impact",
        title="Regular installations that would feel a breaking change",
        caption=caption("commands"),
        table=Table(
            (
                Column("command", "command", TEXT),
                Column("regular", "regular", COUNT),
                Column("share", "share of the regular", SHARE),
                Column("low", "from", SHARE),
                Column("high", "to", SHARE),
                Column("installations", "installations", COUNT),
                Column("events", "events", COUNT),
            ),
            tuple(table),
        ),
        chart=bars(
            names,
            {
                "regular": [row["regular"] for row in rows],
                "others": [row["installations"] - row["regular"] for row in rows],
            },
            "installations",
            horizontal=True,
            quiet=["others"],
        ),
        summary=" ".join(sentences.removal(row, regular).text for row in rows[:3]),
    )


def _by_version(rows: list[Answer], versions: list[str]) -> Figure:
    table = [
        (
            row["command"],
            version,
            row["version"][version]["events"],
            row["version"][version]["installations"],
        )
        for row in rows
        for version in versions
        if version in row["version"]
    ]
    series = {
        version: [row["version"].get(version, {"events": 0})["events"] for row in rows]
        for version in versions
    }
    return Figure(
        name="versions",
        title="Events by command and version",
        caption=caption("versions"),
        table=Table(
            (
                Column("command", "command", TEXT),
                Column("version", "version", TEXT),
                Column("events", "events", COUNT),
                Column("installations", "installations", COUNT),
            ),
            tuple(table),
        ),
        chart=bars([row["command"] for row in rows], series, "events", horizontal=True),
        summary=f"Versions {', '.join(versions)}." if versions else "No version.",
    )
