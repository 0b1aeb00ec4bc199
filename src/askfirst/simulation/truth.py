"""The true answers about a population, in the keys that a report has.

Counted from the generator's own arrays with sets and loops: no SQL, and nothing of the code that
answers, so that the two can be held against each other.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import numpy as np

from askfirst.contract.version import precedence
from askfirst.simulation import habits, survival
from askfirst.simulation.fields import APPLICATION, ENVIRONMENT
from askfirst.simulation.habits import DAY_MS, NEVER
from askfirst.simulation.population import Population
from askfirst.simulation.seen import TRAILING, Seen, codes, look

SERIES = 400  # days, at the most

Answer = dict[str, Any]


def truth(population: Population, as_of: date | None = None) -> dict[str, Answer]:
    """Return the true answer to every question, by report; `as_of` defaults to the last day.

    Takes one pass over the population. Memory: a byte for each installation and day, and the events
    of 28 days.
    """
    day = population.end if as_of is None else as_of
    seen = look(population, day)
    return {
        "active": {"as_of": day.isoformat(), **_active(population, seen)},
        "updates": _updates(population, seen, day),
        "applications": _applications(population, seen),
        "environments": _environments(population, seen),
        "commands": _commands(population, seen),
        "retention": _retention(population, seen),
        "quality": {"stored": seen.stored, "duplicate": seen.duplicate},
    }


def _active(population: Population, seen: Seen) -> Answer:
    series = []
    last = np.full(population.installations, -SERIES)  # the day each was last active
    begun = False
    for day, active in enumerate(seen.active):
        last[active] = day
        begun = begun or bool(active.any())
        if begun and len(seen.active) - day <= SERIES:
            counts = [int(np.count_nonzero(last > day - window)) for window in (1, 7, TRAILING)]
            label = (population.first + timedelta(days=day)).isoformat()
            series.append(
                dict(zip(("day", "daily", "weekly", "monthly"), [label, *counts], strict=True))
            )
    now = set(np.flatnonzero(seen.active[-TRAILING:].any(axis=0)).tolist())
    earlier = seen.active[:-TRAILING]
    before = set(np.flatnonzero(earlier.any(axis=0)).tolist())
    month_before = set(np.flatnonzero(earlier[-TRAILING:].any(axis=0)).tolist())
    today = series[-1] if series else {"daily": 0, "weekly": 0}
    return {
        "daily": today["daily"],
        "weekly": today["weekly"],
        "monthly": len(now),
        "regular": int(np.count_nonzero(seen.regular)),
        "new": len(now - before),
        "returning": len(now & before),
        "lost": len(month_before - now),
        "series": series,
    }


def _updates(population: Population, seen: Seen, as_of: date) -> Answer:
    declared = population.contract.releases
    run = [v for at, v in enumerate(population.versions) if (seen.first[:, at] != NEVER).any()]
    known = {*run, *(v for v, day in declared.items() if date.fromisoformat(day) <= as_of)}
    ordered = sorted(known, key=lambda version: (_rank(version), version))
    return {"versions": [_update(population, seen, version) for version in ordered]}


def _moment(moment: int) -> str:
    """Return a moment in ms UTC as 2026-11-25T14:05:09.120Z."""
    text = (datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=moment)).isoformat(
        timespec="milliseconds"
    )
    return text.replace("+00:00", "Z")


def _rank(version: str) -> Any:
    return precedence(version)


def _update(population: Population, seen: Seen, version: str) -> Answer:
    day = population.contract.releases.get(version)
    if day is None:
        released = int(seen.first[:, population.versions.index(version)].min())
    else:
        released = habits.instant(date.fromisoformat(day))
    lower = [at for at, v in enumerate(population.versions) if _rank(v) < _rank(version)]
    others = [at for at, v in enumerate(population.versions) if _rank(v) >= _rank(version)]
    before = seen.first[:, lower].min(axis=1, initial=NEVER)
    after = seen.first[:, others].min(axis=1, initial=NEVER)
    observations = []
    for earlier, updated, last in zip(
        before.tolist(), after.tolist(), seen.last.tolist(), strict=True
    ):
        if earlier < released <= min(updated, last):
            until = last if updated == NEVER else updated
            observations.append(((until - released) / DAY_MS, updated != NEVER))
    curve = survival.steps(observations)
    share = [(step.time, step.share) for step in curve]
    return {
        "version": version,
        "released": day or _moment(released),
        "at_risk": len(observations),
        "updated": sum(happened for _, happened in observations),
        "median_days": survival.reached(share, 0.5),
        "q25_days": survival.reached(share, 0.75),
        "q75_days": survival.reached(share, 0.25),
        "low_days": survival.reached([(step.time, step.low) for step in curve], 0.5),
        "high_days": survival.reached([(step.time, step.high) for step in curve], 0.5),
    }


def _applications(population: Population, seen: Seen) -> Answer:
    owned: defaultdict[int, set[int]] = defaultdict(set)
    side_by_side = set()
    for rows in seen.trailing.values():
        today: defaultdict[int, set[int]] = defaultdict(set)
        named = codes(population, rows, APPLICATION)
        for who, application in zip(rows["installation"].tolist(), named, strict=True):
            if application >= 0:
                today[who].add(application)
        for who, found in today.items():
            owned[who] |= found
            if len(found) >= 2:
                side_by_side.add(who)
    return {
        "installations": len(owned),
        **_spread(map(len, owned.values())),
        "side_by_side": len(side_by_side),
    }


def _environments(population: Population, seen: Seen) -> Answer:
    per_application: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
    per_installation: defaultdict[int, set[int]] = defaultdict(set)
    for rows in seen.trailing.values():
        named = codes(population, rows, APPLICATION)
        used = codes(population, rows, ENVIRONMENT)
        who = rows["installation"].tolist()
        for one, application, environment in zip(who, named, used, strict=True):
            if environment >= 0:
                per_installation[one].add(environment)
                if application >= 0:
                    per_application[one, application].add(environment)
    return {
        "per_application": _spread(map(len, per_application.values())),
        "per_installation": _spread(map(len, per_installation.values())),
    }


def _spread(counts: Iterable[int]) -> Answer:
    """Return mean, median, 90th percentile and how often each count occurs."""
    numbers = sorted(counts)
    return {
        "mean": float(np.mean(numbers)) if numbers else None,
        "median": float(np.median(numbers)) if numbers else None,
        "p90": float(np.percentile(numbers, 90)) if numbers else None,
        "distribution": {str(count): n for count, n in sorted(Counter(numbers).items())},
    }


def _commands(population: Population, seen: Seen) -> Answer:
    events: Counter[tuple[str, str]] = Counter()
    users: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for rows in seen.trailing.values():
        places = (rows[name].tolist() for name in ("command", "version", "installation"))
        for command, version, who in zip(*places, strict=True):
            key = population.contract.commands[command], population.versions[version]
            events[key] += 1
            users[key].add(who)
    regular = set(np.flatnonzero(seen.regular).tolist())
    found = []
    for name in population.contract.commands:
        versions = sorted((v for command, v in events if command == name), key=_rank)
        everyone = set().union(*(users[name, version] for version in versions))
        found.append(
            {
                "command": name,
                "events": sum(events[name, version] for version in versions),
                "installations": len(everyone),
                "regular": len(everyone & regular),
                "version": {
                    v: {"events": events[name, v], "installations": len(users[name, v])}
                    for v in versions
                },
            }
        )
    return {"commands": sorted(found, key=lambda row: (-row["events"], row["command"]))}


def _retention(population: Population, seen: Seen) -> Answer:
    weeks: defaultdict[date, set[int]] = defaultdict(set)  # by the Monday
    cohorts: defaultdict[date, set[int]] = defaultdict(set)
    known: set[int] = set()
    mondays: list[date] = []
    for day, active in enumerate(seen.active):
        today = population.first + timedelta(days=day)
        monday = today - timedelta(days=today.weekday())
        if monday not in mondays:
            mondays.append(monday)
        found = set(np.flatnonzero(active).tolist())
        weeks[monday] |= found
        cohorts[monday] |= found - known
        known |= found
    return {
        "cohorts": [
            {
                "week": f"{monday.isocalendar().year}-W{monday.isocalendar().week:02}",
                "size": len(cohorts[monday]),
                "active": [len(cohorts[monday] & weeks[later]) for later in mondays[place:]],
            }
            for place, monday in enumerate(mondays)
            if cohorts[monday]
        ]
    }
