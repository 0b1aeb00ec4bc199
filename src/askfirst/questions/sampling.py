"""What a sample of the installations says of all who said Yes, and how surely.

Where a contract has `sample = 0.1`, each installation takes part with that chance, decided by its
hash. Of N installations that are something, the n that were seen estimate N by n / p. That is
Horvitz and Thompson's estimator ("A generalization of sampling without replacement from a finite
universe", Journal of the American Statistical Association 47 (1952)) for Bernoulli sampling; its
variance is N (1 - p) / p, which n (1 - p) / p² estimates (Särndal, Swensson and Wretman, "Model
Assisted Survey Sampling" (1992), section 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from askfirst.questions.contracts import contract_of
from askfirst.questions.kaplan_meier import NORMAL_975
from askfirst.stores.base import Store

Answer = dict[str, Any]

ACTIVE = ("daily", "weekly", "monthly", "regular", "new", "lost")


def rate(store: Store, tool: str) -> float:
    """Return the share of installations that the contract in force lets take part; 1 for none."""
    contract = contract_of(store, tool)
    return contract.sample if contract else 1.0


def rate_of(answer: Answer) -> float:
    """Return the share that an answer was estimated from; 1 for one that was counted."""
    found: float = answer.get("estimate", {}).get("sample", 1.0)
    return found


def total(seen: int, sample: float) -> int:
    """Estimate how many there are by how many were seen in a sample; `observed` takes it back."""
    return round(seen / sample)


def observed(estimate: int, sample: float) -> int:
    """Return how many were seen, by what `total` made of them: rounding never hides one."""
    return round(estimate * sample)


def share(part: int, whole: int, sample: float = 1.0) -> float | None:
    """Return part / whole of estimates, by what was seen of both; None if nobody was.

    `total` rounds each by itself, which few would notice: 1 of 2 at 0.7 would be 1 of 3.
    """
    of = observed(whole, sample)
    return observed(part, sample) / of if of else None


def interval(seen: int, sample: float) -> tuple[int, int]:
    """Return the 95 % interval of how many there are, by how many were seen in a sample.

    Those N that `seen` would not be surprising for: |n - Np| <= z √(N p (1 - p)), with the variance
    at that N, as in Wilson's interval; so it holds for few too, and even for none. The ends are
    rounded outwards, and there are never fewer than were seen.
    """
    if sample >= 1:
        return seen, seen
    spread = NORMAL_975 * math.sqrt(1 - sample)
    middle = math.sqrt(spread * spread + 4 * seen)
    low, high = (((middle + sign * spread) / 2) ** 2 / sample for sign in (-1, 1))
    return max(seen, math.floor(low)), math.ceil(high)


def interval_of(answer: Answer, key: str) -> tuple[int, int] | None:
    """Return the interval that an answer, or a row of one, gives a count; None if it is certain."""
    estimate = answer.get("estimate", {})
    known = key in estimate.get("low", {})
    return (estimate["low"][key], estimate["high"][key]) if known else None


def corrected(name: str, answer: Answer, sample: float) -> Answer:
    """Return an answer with its counts scaled to all who said Yes, and an `estimate` beside them.

    `estimate` has the `sample`, and where it stands beside headline counts `low` and `high` with
    the 95 % interval of each. Means, medians, shares and curves stay as they are: a sample has them
    as they are in all. Nothing changes where all take part, nor in `quality`, which counts what
    arrived.
    """
    if sample >= 1 or name not in _CORRECTIONS:
        return answer
    return _CORRECTIONS[name](answer, sample)


def _scaled(row: Answer, keys: Iterable[str], sample: float) -> Answer:
    """Return a row with the counts of some keys scaled, and their intervals."""
    ends = {key: interval(row[key], sample) for key in keys}
    return {
        **row,
        **{key: total(row[key], sample) for key in ends},
        "estimate": {
            "sample": sample,
            "low": {key: low for key, (low, _) in ends.items()},
            "high": {key: high for key, (_, high) in ends.items()},
        },
    }


def _active(answer: Answer, sample: float) -> Answer:
    found = _scaled(answer, (*ACTIVE, "returning"), sample)
    found["returning"] = found["monthly"] - found["new"]  # as in a count
    if "series" in answer:
        found["series"] = [
            {"day": row["day"]} | {key: total(row[key], sample) for key in ACTIVE[:3]}
            for row in answer["series"]
        ]
    return found


def _updates(answer: Answer, sample: float) -> Answer:
    rows = [update(row, sample) for row in answer["versions"]]
    return {**answer, "versions": rows, "estimate": {"sample": sample}}


def update(row: Answer, sample: float) -> Answer:
    """Return the row of one release with its counts scaled."""
    return row if sample >= 1 else _scaled(row, ("at_risk", "updated"), sample)


def _applications(answer: Answer, sample: float) -> Answer:
    return _spread(_scaled(answer, ("installations", "side_by_side"), sample), sample)


def _environments(answer: Answer, sample: float) -> Answer:
    rows = {key: _spread(answer[key], sample) for key in ("per_application", "per_installation")}
    return {**answer, **rows, "estimate": {"sample": sample}}


def _spread(row: Answer, sample: float) -> Answer:
    counts = {number: total(many, sample) for number, many in row["distribution"].items()}
    return {"estimate": {"sample": sample}, **row, "distribution": counts}


def _commands(answer: Answer, sample: float) -> Answer:
    rows = []
    for row in answer["commands"]:
        found = _scaled(row, ("installations", "regular"), sample)
        found["events"] = total(row["events"], sample)
        found["version"] = {
            version: {key: total(n, sample) for key, n in counts.items()}
            for version, counts in row["version"].items()
        }
        rows.append(found)
    return {**answer, "commands": rows, "estimate": {"sample": sample}}


def _retention(answer: Answer, sample: float) -> Answer:
    rows = [
        {
            **cohort,
            "size": total(cohort["size"], sample),
            "active": [total(n, sample) for n in cohort["active"]],
        }
        for cohort in answer["cohorts"]
    ]
    return {**answer, "cohorts": rows, "estimate": {"sample": sample}}


_CORRECTIONS: dict[str, Callable[[Answer, float], Answer]] = {
    "active": _active,
    "updates": _updates,
    "applications": _applications,
    "environments": _environments,
    "commands": _commands,
    "retention": _retention,
}
