"""How long does it take until a new version is in use?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from askfirst.contract.version import precedence
from askfirst.questions import kaplan_meier
from askfirst.questions.calendar import EPOCH, day_number, day_text, instant_text
from askfirst.questions.contracts import contract_of
from askfirst.stores.base import DAY_MS, Store

MOST_POINTS = 200  # of a curve; more than a chart can show


@dataclass(slots=True)
class Release:
    """A version, and the instant from which updating to it is timed (ms UTC).

    `declared` tells whether that is 00:00 UTC of the contract's day, or the first event anywhere.
    """

    version: str
    instant: int
    declared: bool
    spellings: list[str]  # versions of equal precedence, as in 1.0 and 1.0.0


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with `versions`, one row for each release, oldest precedence first.

    Releases are the versions seen, and those whose day in the contract is not after `as_of`. At risk
    are installations with an event on a version of lower precedence before the release and none on
    this version or a higher one. They update with their first event on it or a higher one;
    those that have not are censored at their last event, and left out if that is before the release.
    The rest is Kaplan and Meier's. `released`: the declared day, else the instant of the
    first event. `at_risk` and `updated`: installations. `median_days`, `q25_days`, `q75_days`: when
    half, a quarter, three quarters have updated; `low_days` to `high_days`: the 95 % confidence
    interval of the median; null where the curve or its band never gets there. `curve`: at most 200
    points, the first and the last always among them, the others evenly among its steps; the quantiles
    come from the full curve.
    """
    releases = _releases(store, tool, as_of)
    observed = _observed(store, tool, as_of, releases)
    return {"versions": [_row(release, *observed[rank]) for rank, release in enumerate(releases)]}


def headline(store: Store, tool: str, as_of: int) -> dict[str, Any] | None:
    """Return the row, without its curve, that says most about how fast people update now.

    The newest version with a median, else the newest with anyone at risk, else None.
    """
    rows = ask(store, tool, as_of)["versions"]
    for wanted in ("median_days", "at_risk"):
        for row in reversed(rows):
            if row[wanted] is not None and row["at_risk"]:
                return {key: value for key, value in row.items() if key != "curve"}
    return None


def _releases(store: Store, tool: str, as_of: int) -> list[Release]:
    """Return the releases by precedence; versions of equal precedence are one release."""
    contract = contract_of(store, tool)
    days = {
        version: day_number(EPOCH.fromisoformat(day))
        for version, day in (contract.releases if contract else {}).items()
    }
    seen: dict[str, int] = dict(store.query("versions", {"tool": tool, "as_of": as_of}))  # type: ignore[arg-type]
    ranked: dict[tuple[object, ...], list[str]] = {}
    for version in sorted({*seen, *(v for v, day in days.items() if day <= as_of)}):
        key = precedence(version)
        if key is not None:
            ranked.setdefault(key, []).append(version)
    equal = {precedence(version): day for version, day in days.items()}
    releases = []
    for key in sorted(ranked):
        spellings = ranked[key]
        declared = key in equal
        sights = [seen[version] for version in spellings if version in seen]
        instant = equal[key] * DAY_MS if declared else min(sights)
        named = [version for version in spellings if version in days] or spellings
        releases.append(Release(named[0], instant, declared, spellings))
    return releases


def _observed(
    store: Store, tool: str, as_of: int, releases: list[Release]
) -> list[tuple[kaplan_meier.Floats, np.ndarray[Any, np.dtype[np.bool_]]]]:
    """Return (durations in days, updated) of those at risk, for each release."""
    spelt = [(name, rank) for rank, one in enumerate(releases) for name in one.spellings]
    rows = store.query(
        "updates",
        {
            "tool": tool,
            "as_of": as_of,
            "versions": [name for name, _ in spelt],
            "ranks": [rank for _, rank in spelt],
            "releases": list(range(len(releases))),
            "instants": [release.instant for release in releases],
        },
    )
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    table = table[np.argsort(table[:, 0], kind="stable")]
    bounds = np.searchsorted(table[:, 0], np.arange(len(releases) + 1))
    parts = [table[bounds[rank] : bounds[rank + 1]] for rank in range(len(releases))]
    return [(part[:, 1] / DAY_MS, part[:, 2].astype(bool)) for part in parts]


def _row(
    release: Release,
    duration: kaplan_meier.Floats,
    updated: np.ndarray[Any, np.dtype[np.bool_]],
) -> dict[str, Any]:
    curve = kaplan_meier.estimate(duration, updated)
    low, high = curve.interval(0.5)
    instant = release.instant
    return {
        "version": release.version,
        "released": day_text(instant // DAY_MS) if release.declared else instant_text(instant),
        "declared": release.declared,
        "at_risk": len(duration),
        "updated": int(updated.sum()),
        "median_days": curve.quantile(0.5),
        "q25_days": curve.quantile(0.25),
        "q75_days": curve.quantile(0.75),
        "low_days": low,
        "high_days": high,
        "curve": [
            {
                "days": float(curve.time[at]),
                "share_updated": float(1 - curve.survival[at]),
                "low": float(1 - curve.high[at]),
                "high": float(1 - curve.low[at]),
            }
            for at in curve.thinned(MOST_POINTS)
        ],
    }
