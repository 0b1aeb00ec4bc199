"""The arithmetic of the door's budgets, and the stores that its bench begins from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import door
import empty
import filled
import pytest

from askfirst.contract.loading import parse
from askfirst.stores.duckdb.store import DuckDBStore
from tests.collector.serving import CONTRACT


def rows(stored: float) -> list[dict[str, Any]]:
    """Rows of a machine that is twice as slow as the one the budgets were set on."""
    return [
        {"case": door.FLOOR, "requests/s": 76_000.0},
        {"case": empty.GRANIAN, "door µs/request": 244.0},
        {"case": empty.UVICORN, "door µs/request": 4 * 577.0},
        {"case": door.SINGLES, "requests/s": 12_600.0, "p99 ms": 59.0, "resident MB": 180.0},
        {"case": door.BATCHES, "events/s": 124_000.0, "resident MB": 251.0},
        {"case": door.TLS, "requests/s": 1_200.0, "resident MB": 170.0},
        {"case": f"{door.SINGLES}{door.STORED}50", "requests/s": 12_600.0 * stored},
        {"case": f"{door.BATCHES}{door.STORED}50", "events/s": 124_000.0 * stored},
    ]


def test_a_budget_is_held_against_what_floor_and_peers_say_of_the_machine() -> None:
    found = {budget.what: budget for budget in door.budgets(rows(0.81))}
    assert {what for what, budget in found.items() if not budget.holds} == {
        "events in batches of 100",
        "requests, each on a new TLS connection",
        "resident memory, all processes",
    }
    assert found["requests of one event"].scaled == pytest.approx(25_200)
    assert found["their p99, 256 connections"].scaled == pytest.approx(29.5)
    assert found["requests, each on a new TLS connection"].scaled == pytest.approx(2_400)


def test_a_full_store_may_cost_a_fifth() -> None:
    broken = [row for row in door.budgets(rows(0.79)) if not row.holds and row.unit == "times"]
    assert len(broken) == 2


def test_the_table_says_both_speeds() -> None:
    lines = door.table(rows(0.9)).splitlines()
    assert "| requests of one event | at least 25,000/s | 12,600/s | 25,200/s | yes |" in lines
    assert "| resident memory, all processes | at most 250 MB | 251 MB | - | **no** |" in lines
    assert (
        "| single events, 50 stored, to an empty store | at least 0.80 times | 0.90 times | - "
        "| yes |"
    ) in lines


def test_a_copy_of_a_store_is_used(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    store = DuckDBStore(source / "kept")
    store.declare(parse(CONTRACT))
    store.close()
    before = {path.name: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    assert filled.copy(source, target) == 0
    assert (target / filled.STORE).read_bytes() == before["kept"]
    assert {p.name: p.read_bytes() for p in source.rglob("*") if p.is_file()} == before


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="has to hold one store, and not 0"):
        filled.copy(tmp_path, tmp_path)
