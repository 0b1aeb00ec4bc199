"""How far the other answers can be trusted."""

from __future__ import annotations

from typing import Any

from askfirst import questions
from askfirst.dashboard.figures import COUNT, TEXT, Column, Figure, Number, Table, View, bars
from askfirst.dashboard.selection import Selection
from askfirst.questions.captions import caption
from askfirst.questions.sentences import Sentence
from askfirst.stores.base import Store

Answer = dict[str, Any]
KINDS = ("stored", "duplicate", "dropped", "removed", "late", "clock_skewed")
HEADINGS = {"clock_skewed": "clock ahead", "late": "late", "removed": "fields removed"}


def view(store: Store, selection: Selection) -> View:
    """Show what arrived, day by day, and what was refused."""
    answer = questions.ask(store, "quality", selection.tool, selection.as_of, today=selection.today)
    days = [row for row in answer["days"] if row["day"] >= selection.first.isoformat()]
    total = {kind: sum(_count(row, kind) for row in days) for kind in KINDS}
    return View(
        sentences=(_sentence(total),),
        numbers=(
            Number("stored", f"{total['stored']:,}", "events"),
            Number("duplicate", f"{total['duplicate']:,}", "sent again, not counted"),
            Number("dropped", f"{total['dropped']:,}", "refused at the door"),
            Number("late", f"{total['late']:,}", "over 7 days old on arrival"),
            Number("clock ahead", f"{total['clock_skewed']:,}", "by over 5 minutes"),
        ),
        figures=(_arrivals(days), _drops(days)),
        filters=("range",),
    )


def _count(row: Answer, kind: str) -> int:
    value = row[kind]
    return sum(value.values()) if isinstance(value, dict) else int(value)


def _sentence(total: dict[str, int]) -> Sentence:
    arrived = total["stored"] + total["dropped"]
    if not arrived:
        return Sentence.of("No event arrived in the days shown.")
    return Sentence.of(
        f"Of [{arrived:,} events] that arrived in the days shown, [{total['dropped']:,}] were "
        f"refused; {total['duplicate']:,} came more than once and are counted once."
    )


def _arrivals(days: list[Answer]) -> Figure:
    labels = [row["day"] for row in days]
    columns = {kind: [_count(row, kind) for row in days] for kind in KINDS}
    shown = {kind: columns[kind] for kind in ("stored", "duplicate", "dropped")}
    return Figure(
        name="arrivals",
        title="Events by day of arrival",
        caption=caption("quality"),
        table=Table(
            (
                Column("day", "day", TEXT),
                *(Column(kind, HEADINGS.get(kind, kind), COUNT) for kind in KINDS),
            ),
            tuple(zip(labels, *columns.values(), strict=True)),
        ),
        chart=bars(labels, shown, "events", zoom=True),
        summary=f"{sum(shown['stored']):,} events stored on {len(labels)} days.",
    )


def _drops(days: list[Answer]) -> Figure:
    reasons: dict[tuple[str, str], int] = {}
    for row in days:
        for group in ("dropped", "removed"):
            for reason, many in row[group].items():
                reasons[group, reason] = reasons.get((group, reason), 0) + many
    rows = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return Figure(
        name="drops",
        title="What was refused, and why",
        caption=caption("drops"),
        table=Table(
            (
                Column("what", "what", TEXT),
                Column("reason", "reason or field", TEXT),
                Column("events", "events", COUNT),
            ),
            tuple((what, reason, many) for (what, reason), many in rows),
        ),
    )
