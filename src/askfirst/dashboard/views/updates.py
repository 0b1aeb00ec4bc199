"""How long it takes until a release is in use."""

from __future__ import annotations

from typing import Any

from askfirst import questions
from askfirst.dashboard.figures import COUNT, DAYS, TEXT, Column, Figure, Number, Table, View, bars
from askfirst.dashboard.selection import ALL, NEWEST, Selection
from askfirst.questions import history, sentences
from askfirst.questions.captions import caption
from askfirst.questions.sampling import rate_of, share
from askfirst.questions.sentences import Sentence
from askfirst.stores.base import Store

SHOWN = 5  # newest releases, unless somebody chooses others: more curves are a tangle

Answer = dict[str, Any]


def view(store: Store, selection: Selection) -> View:
    """Show the curve of each chosen release, and when half had it."""
    answer = questions.ask(store, "updates", selection.tool, selection.as_of, today=selection.today)
    rows = answer["versions"]
    known = [row for row in rows if row["at_risk"]]
    recent = [row for row in known if row["released"][:10] >= selection.first.isoformat()]
    shown = _chosen(known, recent, selection.version)
    return View(
        sentences=_sentences(shown),
        numbers=tuple(_number(row) for row in reversed(shown[-SHOWN:])),
        figures=(curves(shown), _medians(recent if selection.version == NEWEST else shown)),
        filters=("range", "version"),
        versions=tuple(row["version"] for row in reversed(known)),
        missing=history.said(answer),
    )


def _chosen(known: list[Answer], recent: list[Answer], version: str) -> list[Answer]:
    if version == ALL:
        return recent
    if version == NEWEST:
        return recent[-SHOWN:]
    return [row for row in known if row["version"] == version]


def _sentences(shown: list[Answer]) -> tuple[Sentence, ...]:
    reached = [row for row in shown if row["median_days"] is not None]
    best = (reached or shown)[-1:]
    if not best:
        return (Sentence.of("No release to update to in what is chosen here."),)
    return (sentences.updates(best[0]),)


def _number(row: Answer) -> Number:
    label = f"half had {row['version']} after"
    if row["median_days"] is None:
        part = share(row["updated"], row["at_risk"], rate_of(row)) or 0.0
        return Number(label, "not yet", f"{sentences.percent(part)} so far")
    high = sentences.number(row["high_days"]) if row["high_days"] is not None else "…"
    between = f"{sentences.number(row['low_days'])} to {high}"
    return Number(label, f"{sentences.number(row['median_days'])} days", between)


def curves(shown: list[Answer]) -> Figure:
    """Return the curves of some releases with their bands; the table has a row for each."""
    series = [
        {
            "name": row["version"],
            "points": [
                [point["days"], point["share_updated"], point["low"], point["high"]]
                for point in row["curve"]
            ],
        }
        for row in shown
    ]
    keys = ("at_risk", "updated", "q25_days", "median_days", "low_days", "high_days", "q75_days")
    return Figure(
        name="curves",
        title="Share that has updated, by days since the release",
        caption=caption("updates"),
        table=Table(
            (
                Column("version", "version", TEXT),
                Column("released", "released", TEXT),
                Column("at_risk", "at risk", COUNT),
                Column("updated", "updated", COUNT),
                Column("q25_days", "a quarter", DAYS),
                Column("median_days", "half", DAYS),
                Column("low_days", "from", DAYS),
                Column("high_days", "to", DAYS),
                Column("q75_days", "three quarters", DAYS),
            ),
            tuple(
                (row["version"], row["released"][:10], *(row[key] for key in keys))
                for row in reversed(shown)
            ),
        ),
        chart={"kind": "steps", "series": series, "unit": "days", "zoom": True},
        summary=" ".join(sentences.updates(row).text for row in shown[-3:]) or "No curve.",
    )


def _medians(rows: list[Answer]) -> Figure:
    labels = [row["version"] for row in rows]
    medians = [row["median_days"] for row in rows]
    found = [
        f"{label}: {days:.1f}"
        for label, days in zip(labels, medians, strict=True)
        if days is not None
    ]
    return Figure(
        name="medians",
        title="Days until half had updated, release by release",
        caption=caption("medians"),
        table=Table(
            (
                Column("version", "version", TEXT),
                Column("median_days", "half", DAYS),
                Column("low_days", "from", DAYS),
                Column("high_days", "to", DAYS),
            ),
            tuple(
                (row["version"], row["median_days"], row["low_days"], row["high_days"])
                for row in rows
            ),
        ),
        chart=bars(
            labels,
            {"days until half had updated": medians},
            "days",
            low=[row["low_days"] for row in rows],
            high=[row["high_days"] for row in rows],
        ),
        summary="; ".join(found) or "No release has reached one half yet.",
    )
