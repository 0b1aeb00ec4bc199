"""The four questions answered in four sentences, for the terminal and the dashboard alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from askfirst.questions import intervals
from askfirst.questions.sampling import interval_of, rate_of, share

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in pieces: (text, whether it is a figure)."""

    pieces: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, text: str) -> Sentence:
        """Read a text in which figures stand between `[` and `]`."""
        pieces: list[tuple[str, bool]] = []
        for at, part in enumerate(text.split("[")):
            figure, closed, rest = part.partition("]")
            if at and closed:
                pieces += [(figure, True), (rest, False)]
            else:
                pieces.append((part, False))
        return cls(tuple(piece for piece in pieces if piece[0]))

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(text for text, _ in self.pieces)


def overview(answer: Answer, tool: str) -> tuple[Sentence, ...]:
    """Return the four sentences of an `overview` answer about a tool."""
    return (
        active(answer["active"], tool),
        updates(answer["updates"]),
        applications(answer["applications"]),
        environments(answer["environments"]),
    )


def active(answer: Answer, tool: str) -> Sentence:
    """Say how many use it, and how many regularly."""
    if not answer["monthly"]:
        return Sentence.of(f"Nobody used {tool} in the last 28 days; no event yet in them.")
    return Sentence.of(
        f"[{plural(answer['monthly'], 'installation')}]{_about(answer, 'monthly')} used {tool} in "
        f"the last 28 days, [{answer['regular']:,}]{_about(answer, 'regular')} of them regularly, "
        "that is on 4 different days or more."
    )


def updates(row: Answer | None) -> Sentence:
    """Say how long it takes until half have a release; None if there is none to follow."""
    if row is None:
        return Sentence.of("There is no release to follow in the events that are kept.")
    so_far = f"{row['updated']:,} of {plural(row['at_risk'], 'installation')} updated"
    so_far = f"about {so_far}" if "estimate" in row else so_far
    if row["median_days"] is None:
        return Sentence.of(f"Half have not updated to {row['version']} yet; [{so_far}].")
    low, high = number(row["low_days"]), number(row["high_days"])
    sure = f"95 % interval {low} to {high}" if row["high_days"] is not None else f"at least {low}"
    return Sentence.of(
        f"Half updated to {row['version']} within [{number(row['median_days'])} days] "
        f"({sure}; {so_far})."
    )


def applications(row: Answer) -> Sentence:
    """Say how many applications an installation builds, and whether side by side."""
    if not row["installations"]:
        return Sentence.of("No installation named an application in the last 28 days.")
    return Sentence.of(
        f"An installation builds [{number(row['mean'])} applications] on average"
        f"{_sure(row)}: half at most {row['median']:g}, nine in ten at most "
        f"{row['p90']:g}. [{row['side_by_side']:,}]{_about(row, 'side_by_side')} of "
        f"{row['installations']:,} worked on two or more in one day."
    )


def environments(answer: Answer) -> Sentence:
    """Say how many environments an application runs in."""
    row, other = answer["per_application"], answer["per_installation"]
    if row["mean"] is None:
        return Sentence.of("No application named an environment in the last 28 days.")
    return Sentence.of(
        f"An application runs in [{number(row['mean'])} environments] on average"
        f"{_sure(row)}: half in at most {row['median']:g}, nine in ten in at most "
        f"{row['p90']:g}. An installation uses [{number(other['mean'])}]."
    )


def removal(row: Answer, regular: int) -> Sentence:
    """Say who would feel the removal of a command; `regular` is how many are regular at all."""
    if not regular:
        return Sentence.of(f"Nobody is regular yet, so nobody would miss {row['command']}.")
    return Sentence.of(
        f"Removing {row['command']} would be felt by "
        f"[{plural(row['regular'], 'regular installation')}]{_about(row, 'regular')}, "
        f"{percent(share(row['regular'], regular, rate_of(row)) or 0.0, 1)}."
    )


def plural(count: int, noun: str) -> str:
    """Return `1 installation` or `1,284 installations`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def percent(share: float, digits: int = 0) -> str:
    """Return a share of 0 to 1 as `6.7 %`."""
    return f"{share * 100:.{digits}f} %"


def number(value: float | None, digits: int = 1) -> str:
    """Return a figure for people; `-` for none."""
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"


def _about(row: Answer, key: str) -> str:
    found = interval_of(row, key)
    return "" if found is None else f" (95 % interval {found[0]:,} to {found[1]:,})"


def _sure(row: Answer) -> str:
    found = intervals.mean(row["distribution"], rate_of(row))
    return "" if found is None else f" (95 % interval {found[0]:.1f} to {found[1]:.1f})"
