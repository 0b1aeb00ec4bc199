"""docs/faults.md names a test in every row, and every test of faults has a row."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
TABLE = (HERE.parents[1] / "docs" / "faults.md").read_text()
FILES = [*sorted(HERE.glob("test_faults_*.py")), HERE / "test_delivery.py"]
TESTS = {
    f"{path.name}::{name}"
    for path in FILES
    if path.name != Path(__file__).name
    for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
}


def rows() -> list[list[str]]:
    lines = [line for line in TABLE.splitlines() if line.startswith("| ")]
    cells = [re.split(r"(?<!\\)\|", line.strip("| ")) for line in lines]
    return [row for row in cells if "---" not in row[0] and row[0] != "what happens "]


def test_every_row_names_tests_that_exist() -> None:
    assert len(rows()) > 40
    for row in rows():
        named = re.findall(r"`([\w.]+::\w+)`", row[2])
        assert len(row) == 3, row
        assert named, row
        assert set(named) <= TESTS, row


def test_every_test_of_faults_has_a_row() -> None:
    assert {name for name in TESTS if f"`{name}`" not in TABLE} == set()
