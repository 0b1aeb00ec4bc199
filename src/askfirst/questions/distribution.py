"""Mean, median and 90th percentile of "how many have how many"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Distribution:
    """`counts` maps a number (of applications, say) to how many have that many."""

    counts: dict[int, int]

    @classmethod
    def of(cls, rows: Iterable[tuple[object, ...]]) -> Distribution:
        """Take rows of (number, how many)."""
        return cls({int(number): int(many) for number, many in rows})  # type: ignore[call-overload]

    @property
    def total(self) -> int:
        """How many there are altogether."""
        return sum(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """Give `mean`, `median`, `p90` and `distribution`; null where nobody has any.

        Percentiles interpolate linearly: type 7 of Hyndman and Fan, "Sample Quantiles in
        Statistical Packages", The American Statistician 50 (1996).
        """
        shown = {str(number): many for number, many in sorted(self.counts.items())}
        if not self.counts:
            return {"mean": None, "median": None, "p90": None, "distribution": shown}
        numbers = sorted(self.counts)
        values = np.repeat(numbers, [self.counts[number] for number in numbers])
        median, p90 = np.percentile(values, [50, 90])
        return {
            "mean": float(values.mean()),
            "median": float(median),
            "p90": float(p90),
            "distribution": shown,
        }
