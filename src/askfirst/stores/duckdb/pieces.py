"""Ranges of keys, for work that is too much to be done at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def pieces(counted: Iterable[tuple[int, int]], most: int) -> Iterator[tuple[int, int]]:
    """Yield (first key, last key) of ranges with at most `most` things each, or with one key.

    `counted` has (key, how many things), in order of keys.
    """
    first = last = None
    size = 0
    for key, count in counted:
        if first is not None and last is not None and size + count > most:
            yield first, last
            first, size = None, 0
        first = key if first is None else first
        last = key
        size += count
    if first is not None and last is not None:
        yield first, last
