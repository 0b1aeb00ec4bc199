"""How many environments an application runs in."""

from __future__ import annotations

from typing import Any

from askfirst.questions.distribution import Distribution
from askfirst.stores.base import Store


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with `per_application` and `per_installation`, each a Distribution.

    Distinct values of `application.env` in the trailing 28 days, per application of an installation
    and per installation, over those with at least one.
    """
    day = {"tool": tool, "as_of": as_of}
    return {
        f"per_{what}": Distribution.of(store.query(f"environments_per_{what}", day)).as_dict()
        for what in ("application", "installation")
    }
