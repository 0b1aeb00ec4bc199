"""Answers for people: tables and small charts in 80 columns, plain text when piped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from textwrap import wrap
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from askfirst.cli.asking import Answers, Asked
from askfirst.cli.charts import Charts
from askfirst.questions import history, intervals, retention, sentences
from askfirst.questions.captions import YES, sampled
from askfirst.questions.sampling import interval_of, rate_of, share
from askfirst.questions.sentences import number, percent

WIDTH = 80  # a wider terminal gets no more: lines of text are best read short
NARROWEST = 20  # below that a terminal breaks lines as it likes
NOTHING = "no event yet"
SUNDAY = 7  # of ISO weeks, the last day
SHOWN_DAYS, SHOWN_COHORTS = 14, 16
SHOWN_WEEKS = (1, 2, 3, 4, 8, 12, 26, 52)  # after the first; all are in --json

Answer = dict[str, Any]


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say on stderr what is going on, if that is a terminal; gone when it is over."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(f"{what} …"):
        yield


def show(asked: Asked, answers: Answers) -> None:
    """Print the first of the reports asked for to stdout; the others go into its charts."""
    report = asked.reports[0]
    console = Console(file=sys.stdout, highlight=False, soft_wrap=False)
    console.width = max(min(console.width, WIDTH), NARROWEST)
    tool = asked.tool or "the tool"
    title = f"{report}, as of {asked.as_of}" + (f": {asked.tool}" if asked.tool else "")
    console.print(Text(title, "bold"))
    console.print()
    answer = answers[report]
    page = _Page(console, rate_of(answer.get("active", answer)), asked.as_of.isoweekday() == SUNDAY)
    if report == "overview":
        _overview(page, answers, tool)
    else:
        PAGES[report](page, answer, tool)
    missing = history.said(answer.get("active", answer))
    if missing:
        page.say(missing)


class _Page:
    """Prints pieces of a page, one below the other.

    `sample` is the share of installations that was seen; `whole_week` whether the last week counts
    up to its end.
    """

    def __init__(self, console: Console, sample: float, whole_week: bool) -> None:
        self._console = console
        self.sample = sample
        self.whole_week = whole_week
        self.yes = f"{YES} {sampled(sample)}".rstrip()
        self.charts = Charts.for_encoding(console.encoding)

    def say(self, text: str, style: str = "") -> None:
        for line in wrap(text, self._console.width, subsequent_indent="  " * text.startswith(" ")):
            self._console.print(Text(line, style))

    def nothing(self, answer: Answer) -> None:
        """Say that there is no event yet, unless what there is has been left out, which is said."""
        if "history" not in answer:
            self.say(NOTHING)

    def gap(self) -> None:
        self._console.print()

    def caption(self, more: str = "") -> None:
        self.say(f"  {self.yes} {more}".rstrip(), "dim")
        self._console.print()

    def sure(self, intervals: dict[str, str]) -> None:
        """Say between what each of some figures lies; "" for one that has no interval."""
        texts = [f"{name} {between}" for name, between in intervals.items() if between]
        if texts:
            self.say(f"95 % intervals: {'; '.join(texts)}.")
            self.gap()

    def table(self, header: list[str], rows: list[list[str]], words: int = 1) -> None:
        """Print a table; the first `words` columns are text, the others figures."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
        for at, name in enumerate(header):
            table.add_column(name, justify="left" if at < words else "right", overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))
        with self._console.capture() as captured:
            self._console.print(table)
        for line in captured.get().splitlines():  # without the spaces that fill the last column
            self._console.out(line.rstrip(), highlight=False)

    def bars(self, rows: list[tuple[str, int]]) -> None:
        """Print a horizontal bar for each (label, count)."""
        most = max((count for _, count in rows), default=0)
        wide = max((len(label) for label, _ in rows), default=0)
        for label, count in rows:
            self.say(f"  {label:>{wide}}  {self.charts.bar(count, most)} {count:,}")

    def line(self, label: str, values: list[float]) -> None:
        self.say(f"  {label:<8} {self.charts.sparkline(values)}")


def _overview(page: _Page, answers: Answers, tool: str) -> None:
    """Print the four sentences, each with what fits on a line or two; a screen has 24."""
    answer = answers["overview"]
    kinds = answer["environments"]["per_application"]["distribution"]
    charts: tuple[Callable[[], None], ...] = (
        partial(_monthly, page, answers["active"]["series"]),
        partial(_newest, page, answers["updates"]["versions"]),
        partial(_shape, page, answer["applications"]["distribution"], "applications"),
        partial(_shape, page, kinds, "environments"),
    )
    for sentence, chart in zip(sentences.overview(answer, tool), charts, strict=True):
        page.say(sentence.text)
        chart()
        page.gap()
    page.say(f"  {page.yes}", "dim")


def _monthly(page: _Page, series: list[Answer]) -> None:
    if series:
        page.line("monthly", [row["monthly"] for row in series])


def _newest(page: _Page, versions: list[Answer]) -> None:
    for row in [row for row in versions if row["at_risk"]][-2:]:
        curve = page.charts.sparkline(_shares(row["curve"], 40), top=1.0)
        part = share(row["updated"], row["at_risk"], page.sample) or 0.0
        page.say(f"  {row['version']:<8} {curve} {part:.0%}")


def _shape(page: _Page, distribution: dict[str, int], what: str) -> None:
    """Print one line of how many have 1, 2, 3 … of something."""
    if not distribution:
        return
    most = max(map(int, distribution))
    counts: list[float] = [distribution.get(str(number), 0) for number in range(1, most + 1)]
    label = "1" if most == 1 else f"1 to {most}"
    page.say(f"  {label:<8} {page.charts.sparkline(counts)} {what}")


def _active(page: _Page, answer: Answer, _tool: str) -> None:
    meaning = {
        "daily": "active on that day",
        "weekly": "active in the 7 days up to it",
        "monthly": "active in the 28 days up to it",
        "regular": "active on 4 or more of the 28 days",
        "new": "first seen in the 28 days",
        "returning": "monthly without the new",
        "lost": "active in the 28 days before, and not since",
    }
    header = ["", "installations that were", "n"]
    rows = [[name, text, number(answer[name])] for name, text in meaning.items()]
    if "estimate" in answer:
        header += ["from", "to"]
        for row in rows:
            row.extend(map(number, interval_of(answer, row[0]) or ()))
    page.table(header, rows, words=2)
    page.caption()
    series = answer["series"]
    if not series:
        page.nothing(answer)
        return
    page.say(f"From {series[0]['day']} to {series[-1]['day']}, each line from 0 to its highest:")
    for name in ("daily", "weekly", "monthly"):
        values = [row[name] for row in series]
        page.line(name, values)
    page.caption()


def _updates(page: _Page, answer: Answer, _tool: str) -> None:
    rows = [
        [
            row["version"],
            row["released"][:10] + ("" if row["declared"] else "*"),
            page.charts.sparkline(_shares(row["curve"], 8), top=1.0),
            f"{row['updated']:,}/{row['at_risk']:,}",
            number(row["q25_days"]),
            number(row["median_days"]),
            number(row["q75_days"]),
            number(row["low_days"]),
            number(row["high_days"]),
        ]
        for row in answer["versions"]
    ]
    if not rows:
        page.nothing(answer)
        return
    header = ["version", "released", "share", "updated", "25 %", "50 %", "75 %", "from", "to"]
    page.table(header, rows, words=3)
    page.caption("Days until a share of those at risk had updated.")
    for row in answer["versions"]:
        counts = {name: _between(interval_of(row, name)) for name in ("updated", "at_risk")}
        if counts["updated"]:
            page.say(
                f"{row['version']}: {counts['updated']} updated of {counts['at_risk']} at risk (95 "
                "% intervals)."
            )
    page.say("share: who had updated, from the release to the last observation, 0 to 100 %.")
    page.say("updated: of how many at risk. from, to: the 95 % confidence interval of the 50 %")
    page.say("figure. -: not reached yet.")
    if not all(row["declared"] for row in answer["versions"]):
        page.say("*: not in the contract; counted from the version's first event.")


def _shares(curve: list[dict[str, float]], points: int) -> list[float]:
    """Sample a step curve at `points` moments from the release to its end."""
    if not curve:
        return []
    shares, at = [], 0
    for point in range(1, points + 1):
        moment = curve[-1]["days"] * point / points
        while at + 1 < len(curve) and curve[at + 1]["days"] <= moment:
            at += 1
        shares.append(curve[at]["share_updated"] if curve[at]["days"] <= moment else 0.0)
    return shares


def _applications(page: _Page, answer: Answer, _tool: str) -> None:
    page.table(
        ["installations", "mean", "median", "90 %", "two or more in one day"],
        [[number(answer[key]) for key in ("installations", *SPREAD, "side_by_side")]],
        words=0,
    )
    page.caption()
    counts = {key: _between(interval_of(answer, key)) for key in ("installations", "side_by_side")}
    parts = (answer["side_by_side"], answer["installations"], page.sample)
    page.sure(
        {
            "installations": counts["installations"],
            **_sure(page, answer),
            "two or more in one day": counts["side_by_side"],
            "as a share": _between(intervals.share(*parts), percent),
        }
    )
    _distribution(page, answer, "installations by how many applications they named:")


def _environments(page: _Page, answer: Answer, _tool: str) -> None:
    for what in ("application", "installation"):
        row = answer[f"per_{what}"]
        head = [f"per {what}", "mean", "median", "90 %"]
        page.table(head, [["", *(number(row[key]) for key in SPREAD)]])
        page.caption()
        page.sure(_sure(page, row))
        _distribution(page, row, f"{what}s by how many environments they named:")


def _sure(page: _Page, row: Answer) -> dict[str, str]:
    counts = row["distribution"]
    return {
        "mean": _between(intervals.mean(counts, page.sample), "{:.2f}".format),
        "median": _between(intervals.median(counts, page.sample)),
    }


def _between(ends: tuple[Any, Any] | None, said: Callable[[Any], str] = number) -> str:
    return "" if ends is None else f"{said(ends[0])} to {said(ends[1])}"


def _distribution(page: _Page, row: Answer, title: str, most: int = 12) -> None:
    counts = sorted((int(number), many) for number, many in row["distribution"].items())
    if not counts:
        page.say(f"{NOTHING} in these 28 days")
        page.caption()
        return
    page.say(title)
    shown = [(str(number), many) for number, many in counts[:most]]
    if len(counts) > most:
        rest = sum(many for _, many in counts[most:])
        shown.append((f"{counts[most][0]} or more", rest))
    page.bars(shown)
    page.caption()


def _commands(page: _Page, answer: Answer, _tool: str) -> None:
    rows = []
    for row in answer["commands"]:
        newest = list(row["version"])[-1:]
        counts = (number(row[key]) for key in ("events", "installations", "regular"))
        between = map(number, interval_of(row, "regular") or ())
        rows.append([row["command"], *counts, *between, *(newest or ["-"])])
    if not rows:
        page.nothing(answer)
        return
    ends = ["from", "to"] if page.sample < 1 else []
    page.table(["command", "events", "installations", "regular", *ends, "newest version"], rows)
    page.caption("In these 28 days.")
    page.say("regular: installations active on 4 or more days that used it, and would feel")
    page.say("a breaking change.")
    if ends:
        page.say("from, to: the 95 % interval of the regular.")


def _retention(page: _Page, answer: Answer, _tool: str) -> None:
    cohorts = answer["cohorts"][-SHOWN_COHORTS:]
    if not cohorts:
        page.nothing(answer)
        return
    longest = max(len(cohort["active"]) for cohort in cohorts)
    weeks = [week for week in SHOWN_WEEKS if week < longest]
    rows = []
    for cohort in cohorts:
        shares = [_week(page, cohort, week) for week in weeks]
        rows.append([cohort["week"], number(cohort["size"]), *shares])
    page.table(["first seen", "size", *(f"+{week}" for week in weeks)], rows)
    over = "" if page.whole_week else " *: that week is not over."
    page.caption(f"Share active so many weeks later.{over}")
    together = retention.pooled(answer["cohorts"], page.sample)
    known = {week: together[week] for week in weeks if week < len(together)}
    for week, counts in known.items():
        low_high = _between(intervals.share(*counts), percent)
        part = percent(share(*counts) or 0.0)
        page.say(f"All cohorts together, +{week}: {part} (95 % interval {low_high}).")
    if len(answer["cohorts"]) > len(cohorts):
        page.say(f"The last {SHOWN_COHORTS} cohorts; --json and --csv have all.")


def _week(page: _Page, cohort: Answer, after: int) -> str:
    """Return the share of a cohort active so many weeks later, marked if the week is not over."""
    active = cohort["active"]
    if after >= len(active):
        return ""
    part = share(active[after], cohort["size"], page.sample) or 0.0
    last = after == len(active) - 1
    return f"{part:.0%}{'*' * (last and not page.whole_week)}"


def _quality(page: _Page, answer: Answer, _tool: str) -> None:
    names = {
        "stored": "stored",
        "duplicate": "duplicate, not counted again",
        "late": "late: over 7 days old on arrival",
        "clock_skewed": "clock ahead of the collector's",
    }
    rows = [[text, number(answer[name])] for name, text in names.items()]
    for what in ("dropped", "removed"):
        rows += [[f"{what}: {reason}", number(n)] for reason, n in sorted(answer[what].items())]
    page.table(["events", "n"], rows)
    page.caption()
    days = answer["days"][-SHOWN_DAYS:]
    if not days:
        page.say(NOTHING)
        return
    page.say("Events stored, by day of arrival:")
    page.bars([(day["day"], day["stored"]) for day in days])
    page.caption()


SPREAD = ("mean", "median", "p90")
# what the charts of a report need besides its own answer
ALSO = {"overview": ("active", "updates")}
PAGES: dict[str, Callable[[_Page, Answer, str], None]] = {
    "active": _active,
    "updates": _updates,
    "applications": _applications,
    "environments": _environments,
    "commands": _commands,
    "retention": _retention,
    "quality": _quality,
}
