"""How long it takes until a new version is in use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from askfirst.contract.version import precedence
from askfirst.questions.calendar import day_number, day_text, instant_text
from askfirst.questions.contracts import contract_of
from askfirst.questions.kaplan_meier import Floats, estimate
from askfirst.stores.base import DAY_MS, Store

Numbers = list[int] | npt.NDArray[np.int64]
MOST_POINTS = 200  # of a curve; more than a chart can show


@dataclass(frozen=True, slots=True)
class Release:
    """A version, and the instant from which updating to it is timed (ms UTC).

    `declared` tells whether that is 00:00 UTC of the contract's day, or the first event anywhere.
    Versions of equal precedence, as 1.0 and 1.0.0, have the same `rank`.
    """

    version: str
    rank: int
    instant: int
    declared: bool


def ask(store: Store, tool: str, as_of: int) -> dict[str, Any]:
    """Answer with `versions`, one row for each release, oldest precedence first.

    Releases are the versions seen, and those whose day in the contract is not after `as_of`. At
    risk are installations with an event on a version of lower precedence before the release, and
    none before it on this version or a higher one. They update with their first event on it or a
    higher one; those that have not are censored at their last event, and left out if that is before
    the release. The rest is Kaplan and Meier's.

    `released` is the day that the contract declares, else the instant of the first event;
    `declared` tells which. `at_risk` and `updated` are
    numbers of installations. `median_days`, `q25_days`, `q75_days`: when half, a quarter, three
    quarters have updated; `low_days` to `high_days`: the 95 % confidence interval of the median;
    null where the curve or its band never gets there. `curve`: at most 200 points of `days`,
    `share_updated`, `low`, `high`, the first and the last always among them, the others evenly
    among the curve's steps; the figures come from all of it.
    """
    releases = _releases(store, tool, as_of)
    observed = _observed(store, tool, as_of, releases)
    return {
        "versions": [_row(release, *seen) for release, seen in zip(releases, observed, strict=True)]
    }


def headline(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the row, without its curve, that says most about how fast people update now.

    The newest version with a median, else the newest with anyone at risk, else None.
    """
    at_risk = [row for row in rows if row["at_risk"]]
    known = [row for row in at_risk if row["median_days"] is not None]
    for row in (known or at_risk)[-1:]:
        return {key: value for key, value in row.items() if key != "curve"}
    return None


def _releases(store: Store, tool: str, as_of: int) -> list[Release]:
    """Return the releases by precedence; what is no version at all is none."""
    contract = contract_of(store, tool)
    declared = {
        version: day_number(date.fromisoformat(day))
        for version, day in (contract.releases if contract else {}).items()
    }
    rows = store.query("versions", {"tool": tool, "as_of": as_of})
    seen = {str(version): cast("int", first) for version, first in rows}
    known = {*seen, *(version for version, day in declared.items() if day <= as_of)}
    keys = {version: key for version in known if (key := precedence(version)) is not None}
    ranks = {key: rank for rank, key in enumerate(sorted(set(keys.values())))}
    return [
        Release(
            version,
            ranks[keys[version]],
            declared[version] * DAY_MS if version in declared else seen[version],
            version in declared,
        )
        for version in sorted(keys, key=lambda version: (keys[version], version))
    ]


def _observed(
    store: Store, tool: str, as_of: int, releases: list[Release]
) -> list[tuple[Floats, npt.NDArray[np.bool_]]]:
    """Return (durations in days, updated) of those at risk, for each release."""
    rows = store.query(
        "updates",
        {
            "tool": tool,
            "as_of": as_of,
            "versions": [release.version for release in releases],
            "ranks": [release.rank for release in releases],
            "instants": [release.instant for release in releases],
        },
    )
    found: list[tuple[Floats, npt.NDArray[np.bool_]]]
    found = [(np.empty(0), np.empty(0, bool)) for _ in releases]
    for release, updated, waiting in cast("list[tuple[int, Numbers, Numbers]]", rows):
        happened = np.repeat([True, False], [len(updated), len(waiting)])
        found[release] = np.concatenate([updated, waiting]) / DAY_MS, happened
    return found


def _row(
    release: Release,
    duration: Floats,
    updated: npt.NDArray[np.bool_],
) -> dict[str, Any]:
    curve = estimate(duration, updated)
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
