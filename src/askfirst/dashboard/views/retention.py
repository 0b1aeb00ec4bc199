"""Of those who came, who stayed."""

from __future__ import annotations

from typing import Any

from askfirst import questions
from askfirst.dashboard.figures import (
    COUNT,
    SHARE,
    TEXT,
    Column,
    Figure,
    Number,
    Table,
    View,
    lines,
)
from askfirst.dashboard.selection import Selection
from askfirst.questions import history, intervals
from askfirst.questions.calendar import day_number, week_number, week_text
from askfirst.questions.captions import caption
from askfirst.questions.retention import pooled
from askfirst.questions.sampling import rate_of, share, total
from askfirst.questions.sentences import Sentence, percent
from askfirst.stores.base import Store

TOLD = (1, 4, 12, 26)  # weeks after the first that stand alone as numbers

Answer = dict[str, Any]


def view(store: Store, selection: Selection) -> View:
    """Show the triangle of cohorts, and all of them together."""
    answer = questions.ask(
        store, "retention", selection.tool, selection.as_of, today=selection.today
    )
    first = week_text(week_number(day_number(selection.first)))
    sample = rate_of(answer)
    cohorts = [cohort for cohort in answer["cohorts"] if cohort["week"] >= first]
    stayed = pooled(cohorts, sample)
    left_out = answer.get("history", {"left_out": ()})["left_out"]
    missing = history.said(answer) if any(week >= first for week in left_out) else ""
    return View(
        sentences=(_sentence(stayed),),
        numbers=tuple(_number(stayed[week], week) for week in TOLD if week < len(stayed)),
        figures=(_triangle(cohorts, sample), _stay(stayed, sample)),
        filters=("range",),
        missing=missing,
    )


def _sentence(stayed: list[tuple[int, int]]) -> Sentence:
    week = max((week for week in TOLD if week < len(stayed)), default=0)
    if not week:
        return Sentence.of("It takes two whole weeks until there is something to say about this.")
    active, size = stayed[week]
    return Sentence.of(
        f"[{percent(active / size)}] of the installations first seen in these weeks were active in "
        f"the {_ordinal(week)} week after."
    )


def _ordinal(number: int) -> str:
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number, 'th') }"


def _number(row: tuple[int, int], week: int) -> Number:
    active, size = row
    sure = intervals.share(active, size)
    note = f"{percent(sure[0])} to {percent(sure[1])}" if sure else ""
    return Number(f"after {week} week{'s' * (week > 1)}", percent(active / size), note)


def _triangle(cohorts: list[Answer], sample: float) -> Figure:
    longest = max((len(cohort["active"]) for cohort in cohorts), default=0)
    cells = [
        [after, place, share(active, cohort["size"], sample), active, cohort["size"]]
        for place, cohort in enumerate(cohorts)
        for after, active in enumerate(cohort["active"])
    ]
    rows = tuple(
        (
            cohort["week"],
            cohort["size"],
            *(share(active, cohort["size"], sample) for active in cohort["active"]),
            *[None] * (longest - len(cohort["active"])),
        )
        for cohort in cohorts
    )
    return Figure(
        name="triangle",
        title="Share of each week's newcomers active so many weeks later",
        caption=caption("retention"),
        table=Table(
            (
                Column("week", "first seen", TEXT),
                Column("size", "size", COUNT),
                *(Column(f"week_{after}", f"+{after}", SHARE) for after in range(longest)),
            ),
            rows,
        ),
        chart={
            "kind": "triangle",
            "x": [f"+{after}" for after in range(longest)],
            "y": [cohort["week"] for cohort in cohorts],
            "cells": cells,
            "unit": "share",
        },
        summary=f"{len(cohorts)} weekly cohorts, followed for up to {max(longest - 1, 0)} weeks.",
    )


def _stay(stayed: list[tuple[int, int]], sample: float) -> Figure:
    bands = [intervals.share(active, size) or (0.0, 1.0) for active, size in stayed]
    shares = [active / size for active, size in stayed]
    labels = [f"+{week}" for week in range(len(stayed))]
    told = ", ".join(f"{percent(shares[week])} after {week}" for week in TOLD if week < len(stayed))
    return Figure(
        name="stay",
        title="All cohorts together",
        caption=caption("stay"),
        table=Table(
            (
                Column("weeks", "weeks after", TEXT),
                Column("size", "seen so long", COUNT),
                Column("active", "active", COUNT),
                Column("share", "share", SHARE),
                Column("low", "from", SHARE),
                Column("high", "to", SHARE),
            ),
            tuple(
                (week, total(size, sample), total(active, sample), active / size, *bands[week])
                for week, (active, size) in enumerate(stayed)
            ),
        ),
        chart=lines(
            labels,
            {"active": shares},
            "share",
            x_name="weeks after the first",
            low=[band[0] for band in bands],
            high=[band[1] for band in bands],
        ),
        summary=f"Active weeks later: {told}." if told else "Not two whole weeks yet.",
    )
