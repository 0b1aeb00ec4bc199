"""How many applications an installation builds, and whether side by side."""

from __future__ import annotations

from typing import Any

from askfirst import questions
from askfirst.dashboard.figures import Figure, Number, View
from askfirst.dashboard.selection import Selection
from askfirst.dashboard.views import spread
from askfirst.questions import history, intervals, sentences
from askfirst.questions.sampling import rate_of, share
from askfirst.questions.sentences import percent
from askfirst.stores.base import Store


def view(store: Store, selection: Selection) -> View:
    """Show the distribution of applications per installation."""
    answer = questions.ask(
        store, "applications", selection.tool, selection.as_of, today=selection.today
    )
    counts = (answer["side_by_side"], answer["installations"], rate_of(answer))
    part, sure = share(*counts), intervals.share(*counts)
    side = (
        ()
        if part is None or sure is None
        else (
            Number(
                "two or more in one day",
                percent(part),
                f"{percent(sure[0])} to {percent(sure[1])}",
            ),
        )
    )
    return View(
        sentences=(sentences.applications(answer),),
        numbers=(*spread.numbers(answer), *side),
        figures=(figure(answer),),
        missing=history.said(answer),
    )


def figure(answer: dict[str, Any]) -> Figure:
    """Return the distribution of an `applications` answer."""
    return spread.figure(
        "distribution",
        "Installations by how many applications they named",
        "applications",
        answer,
        "installations",
        "applications",
    )
