"""What anybody may see of a tool, from snapshots that are safe to show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from askfirst.dashboard.figures import COUNT, TEXT, Column, Figure, Number, Table, View, bars
from askfirst.questions.captions import YES, sampled
from askfirst.questions.sentences import Sentence

Snapshot = dict[str, Any]


def view(tool: str, snapshots: Sequence[Snapshot]) -> View:
    """Show the periods, if there are any, and of the last one who used what."""
    if not snapshots:
        return View(sentences=(Sentence.of(f"There is nothing to show of {tool} yet."),))
    last = snapshots[-1]
    few = f"fewer than {last['threshold']}"
    if last["installations"] is None:
        text = (
            f"{few.capitalize()} installations used {tool} in {_weeks(last)}; that is all to say."
        )
        return View(sentences=(Sentence.of(text),), figures=(_periods(snapshots),))
    return View(
        sentences=(_sentence(tool, last),),
        numbers=tuple(
            Number(
                f"days until half had {row['version']}",
                "not yet" if row["median_days"] is None else f"{row['median_days']}",
                f"of about {row['installations']:,}",
            )
            for row in last["updates"]
        ),
        figures=(
            _periods(snapshots),
            _commands(last, few),
            _spread(last, "applications"),
            _spread(last, "environments"),
        ),
    )


def _weeks(snapshot: Snapshot) -> str:
    return f"{snapshot['from']} to {snapshot['until']}"


def _sentence(tool: str, last: Snapshot) -> Sentence:
    regular = last["regular"]
    often = f"fewer than {last['threshold']}" if regular is None else f"about [{regular:,}]"
    return Sentence.of(
        f"About [{last['installations']:,} installations] used {tool} in the four weeks "
        f"{_weeks(last)}, {often} of them on 4 different days or more."
    )


def smallest_threshold(snapshots: Sequence[Snapshot], otherwise: int) -> int:
    """Return what no group that is shown is below: each period keeps the one it was made with."""
    return min((row["threshold"] for row in snapshots), default=otherwise)


def _caption(shown: Sequence[Snapshot], more: str = "") -> str:
    threshold = smallest_threshold(shown, 0)
    samples = {row.get("sample", 1.0) for row in shown}
    even = len({row["threshold"] for row in shown}) == 1 and samples == {1.0}
    # what comes from a sample is rounded before it is scaled
    rounded = f"multiples of {threshold}" if even else f"rounded to {threshold} or more"
    said = sampled(min(samples)) if len(samples) == 1 else ""
    return (
        f"{more}Counts are {rounded}, up or down; groups below {threshold} are withheld or merged. "
        f"{YES} {said}"
    ).rstrip()


def _periods(snapshots: Sequence[Snapshot]) -> Figure:
    labels = [_weeks(row) for row in snapshots]
    counts = [row["installations"] for row in snapshots]
    shown = [row["installations"] or f"fewer than {row['threshold']}" for row in snapshots]
    return Figure(
        name="periods",
        title="Installations active in each four weeks",
        caption=_caption(snapshots, "Periods of four whole weeks that do not overlap. "),
        table=Table(
            (Column("weeks", "weeks", TEXT), Column("installations", "installations", COUNT)),
            tuple(zip(labels, shown, strict=True)),
        ),
        chart=bars([row["until"] for row in snapshots], {"installations": counts}, "installations"),
        summary="; ".join(
            f"{label}: {n}" for label, n in zip(labels[-3:], shown[-3:], strict=True)
        ),
    )


def _commands(last: Snapshot, few: str) -> Figure:
    rows = sorted(last["commands"], key=lambda row: (-(row["installations"] or 0), row["command"]))
    known = [row for row in rows if row["installations"] is not None]
    return Figure(
        name="commands",
        title="Installations that used a command",
        caption=_caption([last]),
        table=Table(
            (Column("command", "command", TEXT), Column("installations", "installations", COUNT)),
            tuple((row["command"], row["installations"] or few) for row in rows),
        ),
        chart=bars(
            [row["command"] for row in known],
            {"installations": [row["installations"] for row in known]},
            "installations",
            horizontal=True,
        ),
        summary="; ".join(f"{row['command']}: {row['installations'] or few}" for row in rows[:5]),
    )


def _spread(last: Snapshot, what: str) -> Figure:
    rows = last[what]
    labels = []
    for at, row in enumerate(rows):
        following = rows[at + 1]["from"] - 1 if at + 1 < len(rows) else None
        alone = following == row["from"]
        ending = " or more" if following is None else "" if alone else f" to {following}"
        labels.append(f"{row['from']}{ending}")
    counts = [row["count"] for row in rows]
    return Figure(
        name=what,
        title=f"Installations by how many {what} they named",
        caption=_caption([last]),
        table=Table(
            (Column(what, what, TEXT), Column("installations", "installations", COUNT)),
            tuple(zip(labels, counts, strict=True)),
        ),
        chart=bars(labels, {"installations": counts}, "installations", x_name=what),
        summary="; ".join(f"{label}: {n:,}" for label, n in zip(labels, counts, strict=True)),
    )
