"""A distribution as numbers and a chart: how many have how many."""

from __future__ import annotations

from functools import partial
from typing import Any

from askfirst.dashboard.figures import COUNT, SHARE, TEXT, Column, Figure, Number, Table, bars
from askfirst.questions import intervals
from askfirst.questions.captions import caption
from askfirst.questions.sampling import observed, rate_of

Answer = dict[str, Any]
MOST_BARS = 15


def numbers(row: Answer) -> tuple[Number, ...]:
    """Return mean, median and 90th percentile, the first two with their 95 % intervals."""
    if row["mean"] is None:
        return ()
    counts, sample = row["distribution"], rate_of(row)
    sure, half = intervals.mean(counts, sample), intervals.median(counts, sample)
    return (
        Number(
            "on average", f"{row['mean']:.2f}", f"{sure[0]:.2f} to {sure[1]:.2f}" if sure else ""
        ),
        Number("half at most", f"{row['median']:g}", f"{half[0]:g} to {half[1]:g}" if half else ""),
        Number("nine in ten at most", f"{row['p90']:g}"),
    )


def figure(name: str, title: str, said: str, row: Answer, who: str, what: str) -> Figure:
    """Return the distribution; beyond MOST_BARS the rest is one bar, and whole in the table."""
    pairs = sorted((int(number), many) for number, many in row["distribution"].items())
    total = sum(many for _, many in pairs)
    seen = partial(observed, sample=rate_of(row))
    of = sum(seen(many) for _, many in pairs)
    bar = [(str(number), many) for number, many in pairs[:MOST_BARS]]
    if len(pairs) > MOST_BARS:
        rest = sum(many for _, many in pairs[MOST_BARS:])
        bar.append((f"{pairs[MOST_BARS][0]}+", rest))
    peak = max(pairs, key=lambda pair: pair[1], default=(0, 0))
    return Figure(
        name=name,
        title=title,
        caption=caption(said),
        table=Table(
            (
                Column(what, what, TEXT),
                Column(who, who, COUNT),
                Column("share", "share", SHARE),
            ),
            tuple((number, many, seen(many) / of) for number, many in pairs),
        ),
        chart=bars([label for label, _ in bar], {who: [many for _, many in bar]}, who, x_name=what),
        summary=f"{total:,} {who}; most of them, {peak[1]:,}, have {peak[0]}.",
    )
