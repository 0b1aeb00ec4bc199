"""How many applications an installation builds."""

from __future__ import annotations

from typing import Any

from askfirst.questions.distribution import Distribution
from askfirst.stores.base import Store


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with `installations`, `mean`, `median`, `p90`, `distribution` and `side_by_side`.

    Distinct values of `application.name` per installation, over the installations with at least one
    in the trailing 28 days. `side_by_side`: installations with two or more on one same day.
    """
    day = {"tool": tool, "as_of": as_of}
    distribution = Distribution.of(store.query("applications", day))
    [(side_by_side,)] = store.query("side_by_side", day)
    return {
        "installations": distribution.total,
        **distribution.as_dict(),
        "side_by_side": side_by_side,
    }
