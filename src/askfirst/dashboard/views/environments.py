"""How many environments an application runs in."""

from __future__ import annotations

from typing import Any

from askfirst import questions
from askfirst.dashboard.figures import Figure, View
from askfirst.dashboard.selection import Selection
from askfirst.dashboard.views import spread
from askfirst.questions import history, sentences
from askfirst.stores.base import Store


def view(store: Store, selection: Selection) -> View:
    """Show environments per application and per installation."""
    answer = questions.ask(
        store, "environments", selection.tool, selection.as_of, today=selection.today
    )
    return View(
        sentences=(sentences.environments(answer),),
        numbers=spread.numbers(answer["per_application"]),
        figures=figures(answer),
        missing=history.said(answer),
    )


def figures(answer: dict[str, Any]) -> tuple[Figure, ...]:
    """Return the distributions of an `environments` answer: per application, per installation."""
    return tuple(
        spread.figure(
            f"per-{what}",
            f"{what.capitalize()}s by how many environments they named",
            "environments",
            answer[f"per_{what}"],
            f"{what}s",
            "environments",
        )
        for what in ("application", "installation")
    )
