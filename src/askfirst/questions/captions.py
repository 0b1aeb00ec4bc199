"""What a figure counts, and what it does not. Said below every figure, on every screen."""

from __future__ import annotations

from askfirst.contract.sampling import percent

YES = "Counts only installations that said Yes."

CAPTIONS = {
    "active": "Active: an installation ran a command that the contract lists on that UTC day. "
    "Installations are not people: one person may have several, a shared machine may have one.",
    "growth": "Each bar is 28 days. New: first seen in them. Returning: seen before them. Lost: "
    "active in the 28 days before and not in these; they may still come back.",
    "updates": "Share of those on an earlier version at the release who have updated to it or to a "
    "later one (Kaplan and Meier's estimate). Who has not is counted up to their last event. The "
    "bands hold the true curve at each moment with 95 % confidence.",
    "medians": "Days from a release until half of those on an earlier version had updated; 95 % "
    "confidence interval. A release whose curve has not reached one half has none yet.",
    "applications": "Different application names per installation in the 28 days. The names arrive "
    "as hashes: two installations that build the same application count one each.",
    "environments": "Different environment names in the 28 days, as hashes, where a command named "
    "one.",
    "commands": "Regular: active on 4 or more different days of the 28, and used the command in "
    "them; these would feel a breaking change. Only commands that the contract lists are counted.",
    "versions": "Events of the 28 days by the tool's version that sent them.",
    "retention": "Of the installations first seen in an ISO week, the share active so many weeks "
    "later. The last week of a row may not be over. A machine that was set up again counts as new.",
    "stay": "All cohorts together, over weeks that are over; Wilson's 95 % interval.",
    "quality": "Events by the day on which they arrived, whatever day they are about. A duplicate "
    "is the same event sent again and is not counted twice.",
    "drops": "Events that the collector refused, and fields it took out, by reason.",
}


def sampled(sample: float) -> str:
    """Say what a figure is estimated from; "" where it is counted."""
    if sample >= 1:
        return ""
    return (
        f"Estimated from {percent(sample)} of them, drawn at random: numbers of installations are "
        f"scaled to all."
    )


def caption(name: str) -> str:
    """Return the caption of a figure: what it counts and whom it leaves out."""
    return f"{CAPTIONS[name]} {YES}"
