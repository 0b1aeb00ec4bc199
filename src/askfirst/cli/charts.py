"""Charts made of characters, for a terminal and a pipe alike."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

LEVELS, BLOCK = "▁▂▃▄▅▆▇█", "█"
ASCII_LEVELS, ASCII_BLOCK = "_.-=+*%#", "#"
LONGEST = 40  # characters of a bar
WIDEST = 64  # of a sparkline


@dataclass(frozen=True, slots=True)
class Charts:
    """Draws with eight `levels`, lowest first, and a full `block`."""

    levels: str
    block: str

    @classmethod
    def for_encoding(cls, encoding: str) -> Charts:
        """Return charts that can be written in an encoding."""
        try:
            LEVELS.encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return cls(ASCII_LEVELS, ASCII_BLOCK)
        return cls(LEVELS, BLOCK)

    def bar(self, value: float, most: float) -> str:
        """Return a bar as long as its share of `most`; whatever is not 0 shows."""
        if value <= 0:
            return ""
        return self.block * max(1, round(value / most * LONGEST))

    def sparkline(self, values: list[float], top: float | None = None) -> str:
        """Return one character for each value, from 0 to `top` or the highest value.

        More than WIDEST values are averaged in groups that are as even as can be.
        """
        count = min(len(values), WIDEST)
        edges = [len(values) * at // count for at in range(count + 1)] if count else []
        groups = [values[start:end] for start, end in pairwise(edges)]
        means = [sum(group) / len(group) for group in groups]
        highest = max(means, default=0) if top is None else top
        last = len(self.levels) - 1
        return "".join(
            self.levels[round(mean / highest * last) if highest else 0] for mean in means
        )
