"""The four questions answered in four sentences, each with a chart."""

from __future__ import annotations

from dataclasses import replace

from askfirst import questions
from askfirst.dashboard.figures import Figure, View
from askfirst.dashboard.selection import Selection
from askfirst.dashboard.views import active, applications, environments, updates
from askfirst.questions import history, sentences
from askfirst.stores.base import Store

# the pages behind the four sentences, in their order
PAGES = ("active", "updates", "applications", "environments")


def view(store: Store, selection: Selection) -> View:
    """Show the four sentences; the figures come from the pages of the same names."""
    answer = questions.overview(store, selection.tool, selection.as_of, today=selection.today)
    series = active.series(store, selection)
    rows = questions.ask(store, "updates", selection.tool, selection.as_of, today=selection.today)[
        "versions"
    ]
    newest = [row for row in rows if row["at_risk"]][-3:]
    spread = applications.figure(answer["applications"])
    kinds = environments.figures(answer["environments"])[0]
    return View(
        sentences=sentences.overview(answer, selection.tool),
        figures=(
            _small(series, "active"),
            _small(updates.curves(newest), "updates"),
            _small(spread, "applications"),
            _small(kinds, "environments"),
        ),
        filters=("range",),
        missing=history.said(answer["active"]),
    )


def _small(figure: Figure, name: str) -> Figure:
    """Name a figure for its page, and leave the zoom to that page."""
    return replace(figure, name=name, chart={**(figure.chart or {}), "zoom": False})
