"""The changelog keeps the form of https://keepachangelog.com, and names no release that is to come."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from askfirst import __version__
from askfirst.contract.version import precedence

TEXT = (Path(__file__).parents[1] / "CHANGELOG.md").read_text()
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
HEADINGS = re.findall(r"^## (.*)$", TEXT, re.MULTILINE)
RELEASES = HEADINGS[1:]
PARTS = re.split(r"^## .*$", TEXT, flags=re.MULTILINE)[1:]


def test_it_says_what_it_is_first() -> None:
    assert TEXT.startswith("# Changelog\n\n")
    head = TEXT.partition("\n## ")[0]
    assert "https://keepachangelog.com" in head
    assert "https://semver.org" in head


def test_what_is_not_released_comes_first() -> None:
    assert HEADINGS[0] == "[Unreleased]"


def test_releases_have_a_version_and_a_day_and_the_newest_comes_first() -> None:
    rows = [re.fullmatch(r"\[(\S+)\] - (\d{4}-\d\d-\d\d)( \[YANKED\])?", row) for row in RELEASES]
    assert all(rows), RELEASES
    versions = [precedence(row[1]) for row in rows if row]
    assert versions == sorted(versions, reverse=True)
    days = [date.fromisoformat(row[2]) for row in rows if row]
    assert days == sorted(days, reverse=True)
    assert all(version <= precedence(__version__) for version in versions)


@pytest.mark.parametrize("part", PARTS, ids=HEADINGS)
def test_a_part_has_the_sections_there_are_in_their_order_and_lists_in_them(part: str) -> None:
    found = re.findall(r"^### (.*)$", part, re.MULTILINE)
    assert [name for name in SECTIONS if name in found] == found
    for text in re.split(r"^### .*$", part, flags=re.MULTILINE)[1:]:
        lines = [line for line in text.splitlines() if line]
        assert lines
        assert all(line.startswith(("- ", "  ")) for line in lines), text
