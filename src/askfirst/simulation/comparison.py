"""Holds answers against the truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

CLOSE = 1e-9  # relative; and absolute, in days or counts: rounding, never a difference in kind


def compare(answers: Mapping[str, Any], truth: Mapping[str, Any]) -> list[str]:
    """Return, in words, where answers differ from the truth; [] when they are equal.

    Only what the truth has is compared: an answer may say more (a curve, a label).
    """
    differences: list[str] = []
    _compare("", answers, truth, differences)
    return differences


def _compare(place: str, answer: Any, true: Any, differences: list[str]) -> None:
    if isinstance(true, Mapping) and isinstance(answer, Mapping):
        # a table of counts is whole: what only the answer has is a difference there
        more = [key for key in answer if key not in true and _is_tally(place)]
        for key in [*true, *more]:
            inner = f"{place}.{key}" if place else str(key)
            _compare(inner, answer.get(key, "nothing"), true.get(key, "nothing"), differences)
    elif isinstance(true, list) and isinstance(answer, list):
        _compare_rows(place, answer, true, differences)
    elif not _equal(answer, true):
        differences.append(f"{place}: {answer}, in truth {true}")


def _compare_rows(place: str, answer: list[Any], true: list[Any], differences: list[str]) -> None:
    """Hold rows against each other that are about the same, and then their order."""
    found = {_name(row, at): row for at, row in enumerate(answer)}
    wanted = {_name(row, at): row for at, row in enumerate(true)}
    differences += [
        f"{place}[{name}]: in truth no such row" for name in found if name not in wanted
    ]
    for name, row in wanted.items():
        _compare(f"{place}[{name}]", found.get(name, "nothing"), row, differences)
    names = [name for name in found if name in wanted], [name for name in wanted if name in found]
    if names[0] != names[1]:
        differences.append(f"{place}: in the order {names[0]}, in truth {names[1]}")


def _is_tally(place: str) -> bool:
    return place.endswith((".distribution", "].version"))


def _name(row: Any, at: int) -> str:
    """Name a row by what it is about, else by its place."""
    if isinstance(row, Mapping):
        for key in ("command", "week", "day", "version"):
            if key in row:
                return str(row[key])
    return str(at)


def _equal(answer: Any, true: Any) -> bool:
    if isinstance(answer, bool) or isinstance(true, bool):
        return answer is true
    if isinstance(answer, int | float) and isinstance(true, int | float):
        return math.isclose(answer, true, rel_tol=CLOSE, abs_tol=CLOSE)
    return bool(answer == true)
