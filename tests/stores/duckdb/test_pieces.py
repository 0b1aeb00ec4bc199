from __future__ import annotations

import pytest

from askfirst.stores.duckdb.pieces import pieces


@pytest.mark.parametrize(
    ("counted", "ranges"),
    [
        ([], []),
        ([(5, 3)], [(5, 5)]),
        ([(1, 4), (2, 4), (3, 4), (9, 1)], [(1, 2), (3, 9)]),
        ([(0, 99), (1, 1), (2, 99)], [(0, 0), (1, 1), (2, 2)]),
    ],
)
def test_keys_are_cut_into_ranges(counted, ranges):
    assert list(pieces(counted, 8)) == ranges
