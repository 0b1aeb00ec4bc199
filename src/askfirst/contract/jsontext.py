"""JSON without the cost of importing :mod:`json`: 0.2 ms instead of 6 on a bare interpreter.

By the C code beneath it; where that is missing (PyPy) or `json` is loaded already, by `json`.
"""

import sys

from askfirst import usual

try:
    from _json import encode_basestring_ascii, make_scanner
except ImportError:  # not CPython
    from json.encoder import (
        encode_basestring_ascii,
    )

    make_scanner = None  # type: ignore[assignment, misc]

__all__ = ["canonical", "dumps", "encode_basestring_ascii", "loads"]

_SPACE = " \t\n\r"


class _Settings:
    """What the C scanner asks its decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: "dict[str, str]" = {}  # noqa: RUF012 - the scanner empties it after every call

    @staticmethod
    def parse_constant(name: str) -> object:
        raise ValueError(f"{name} is not JSON")


def loads(text: str) -> object:
    """Parse JSON text. Raises ValueError for anything else, RecursionError if nested too deeply."""
    if make_scanner is None or "json" in sys.modules:
        return _with_module(text)
    start = len(text) - len(text.lstrip(_SPACE))
    try:
        value, end = make_scanner(_Settings)(text, start)  # type: ignore[arg-type]
    except (StopIteration, SystemError):
        return _with_module(text)  # the bare scanner cannot say what is wrong
    if text[end:].strip(_SPACE):
        raise ValueError(f"more than one JSON value at character {end}")
    return value


def _with_module(text: str) -> object:
    from json import loads as json_loads

    return json_loads(text, parse_constant=_Settings.parse_constant)


def dumps(value: object) -> str:
    """Write a value as compact ASCII JSON; see `askfirst.usual.dumps`."""
    return usual.dumps(value, encode_basestring_ascii)


def canonical(value: object) -> str:
    """Write a value as canonical JSON: keys sorted, no white space, ASCII."""
    return dumps(_sorted(value))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(child) for child in value]
    return value
