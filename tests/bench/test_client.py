"""The table says what was found, and goes into the page between its marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import budgets
import cases
import client
import installed
import pytest

from tests.bench.conftest import BENCH

ROOT = BENCH.parent
PAGE = ROOT / "docs" / "measured.md"


def fault(**more: Any) -> dict[str, Any]:
    found = {
        "added": 0.0,
        "over_well": None,
        "held": 0.0,
        "kept": True,
        "lines": 0,
        "code": 0,
        "rounds": 3,
    }
    return {**found, **more}


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (fault(added=0.42), "+0.4 ms, event kept"),
        (
            fault(added=3_140, kept=False, lines=68, code=1),
            "+3.1 s, event lost, prints 68 lines, the command fails with 1",
        ),
        (
            fault(added=200, held=10_300, kept=False),
            "+0.2 s, holds the pipe 10.3 s more, event lost",
        ),
        (fault(added=15_000, kept=False, code=None), "over 15 s, killed, event lost"),
    ],
)
def test_a_fault_is_said_in_words(found: dict[str, Any], text: str) -> None:
    assert client.fault_text(found) == text
    assert client.fault_text(None) == client.NONE


def test_the_table_has_a_cell_for_each_head() -> None:
    row = {
        "case": "one",
        "host_ms": 12.5,
        "cpu_added_ms": 0.256,
        "times_floor": 1.0,
        "cpu_others_ms": 0.0,
        "wall_added_ms": 1234.5,
        "installed_bytes": 230_000,
        "installed_bytes_with_pyc": 600_000,
        "faults": {"closed": fault(added=0.42)},
    }
    heads, _, cells = client.table([row]).splitlines()
    assert heads.count("|") == cells.count("|")
    assert cells == (
        "| one | 0.26 | 1.00 | - | 1,234 | 0.23 (0.60 with .pyc) | +0.4 ms, event kept | - |"
    )


def test_a_page_gets_the_table_between_its_marks() -> None:
    page = PAGE.read_text()
    written = client.rewritten(page, "where\n", "| table |\n")
    assert f"{client.BEGIN}\nwhere\n\n| table |\n{client.END}" in written
    assert client.rewritten(written, "where\n", "| table |\n") == written
    assert written.partition(client.BEGIN)[0] == page.partition(client.BEGIN)[0]
    assert written.partition(client.END)[2] == page.partition(client.END)[2]


@pytest.mark.parametrize("page", ["", client.BEGIN, client.END])
def test_a_page_without_marks_is_left_alone(page: str) -> None:
    with pytest.raises(ValueError, match="to write between"):
        client.rewritten(page, "", "")


def test_the_page_has_a_row_for_every_peer_and_every_state() -> None:
    table = PAGE.read_text().partition(client.BEGIN)[2].partition(client.END)[0]
    for label in (cases.FLOOR, cases.SENDER, cases.SENDER_FLOOR, *cases.PEERS):
        assert f"| {label} |" in table
    for host in ("bare", "on click"):
        for state in cases.STATES:
            assert f"| askfirst, {host}: {state} |" in table


def test_every_peer_is_pinned_and_has_its_program() -> None:
    pins = installed.PINS.read_text().splitlines()
    for name, program in cases.PEERS.items():
        assert any(pin.startswith(f"{name}==") for pin in pins)
        assert (installed.PROGRAMS / f"{program}.py").is_file()
    for pin in pins:
        assert not pin or pin.startswith("#") or "==" in pin


def test_sizes_are_those_of_the_files(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.11" / "site-packages"
    package = site / "one"
    info = site / "one-1.0.dist-info"
    for folder in (package / "__pycache__", info):
        folder.mkdir(parents=True)
    (package / "__init__.py").write_bytes(b"#" * 70)
    (package / "__pycache__" / "__init__.cpython-311.pyc").write_bytes(b"#" * 200)
    (info / "METADATA").write_text("Name: one\nVersion: 1.0\n")
    names = (
        "one/__init__.py",
        "one/__pycache__/__init__.cpython-311.pyc",
        "one-1.0.dist-info/METADATA",
    )
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    (site / "listed-nowhere.py").write_bytes(b"#" * 1000)
    plain = 70 + (info / "METADATA").stat().st_size
    assert installed.sizes(tmp_path / "bin" / "python") == (plain, plain + 200)


def measured(label: str, **more: Any) -> dict[str, Any]:
    """A row of a machine that is twice as slow as the one the budgets were set on."""
    at = {name: fault(over_well=4.0) for name in budgets.FAULTS}
    row = {"case": label, "cpu_added_ms": 0.5, "cpu_others_ms": 0.0, "faults": at}
    return {**row, "installed_bytes": 240_000, **more}


def test_a_budget_is_held_against_what_the_floor_says_of_the_machine() -> None:
    ours = [cases.ours(host, state) for host in cases.HOSTS for state in cases.STATES]
    rows = [
        measured(cases.FLOOR, cpu_added_ms=0.52),
        *[measured(label, cpu_added_ms=0.6 if "delivery" not in label else 5.0) for label in ours],
        measured(cases.SENDER, cpu_others_ms=141.0),
        measured(cases.SENDER_FLOOR, cpu_others_ms=120.0),
    ]
    kept = {budget.what: budget.holds for budget in budgets.budgets(rows)}
    broken = {what for what, holds in kept.items() if not holds}
    assert broken == {
        "CPU of starting a delivery, bare",
        "CPU of starting a delivery, on click",
        "CPU of the sender, one https delivery",
    }
    text = budgets.table(rows)
    assert "| CPU added, bare: refused | 0.3 ms | 0.60 ms | 0.30 ms | yes |" in text
    assert (
        "| CPU of the sender, one https delivery | 70 ms | 141.00 ms | 70.50 ms | **no** |" in text
    )
    assert "| installed | 0.25 MB | 0.24 MB | - | yes |" in text
