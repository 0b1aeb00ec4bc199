"""Turns usagestats on, as its README has it."""

from usagestats_program import stats

stats.enable_reporting()
