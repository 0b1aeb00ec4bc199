"""The example's answer from an export equals what was simulated."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from lifelines import KaplanMeierFitter

from askfirst.collector import eventfile
from askfirst.contract.loading import parse
from askfirst.simulation import Population, arrivals, fill
from askfirst.stores.opening import open_store
from tests.collector.serving import environment
from tests.simulation.conftest import END, TEXT

SCRIPT = Path(__file__).parents[2] / "examples" / "fifth_question.py"
DAY_MS = 86_400_000


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, words)], capture_output=True, text=True, check=False
    )


def expected(population: Population) -> tuple[int, int, float, str]:
    """Return installations, those with a second command, the median, the commonest second one."""
    ran: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for day in range(population.days):
        rows = population.rows(day)
        columns = (rows[name].tolist() for name in ("installation", "timestamp", "command"))
        for who, moment, command in zip(*columns, strict=True):
            ran[who].append((moment, command))
    waited, used, names = [], [], []
    for events in ran.values():
        events.sort()
        begin, first = events[0]
        found = next(((m, c) for m, c in events if c != first), None)
        waited.append(((found or events[-1])[0] - begin) / DAY_MS)
        used.append(found is not None)
        if found:
            names.append(population.contract.commands[found[1]])
    fitted = KaplanMeierFitter().fit(waited, used)
    return len(ran), sum(used), fitted.median_survival_time_, Counter(names).most_common(1)[0][0]


@pytest.fixture
def exported(tmp_path: Path, population: Population) -> Path:
    place = tmp_path / "store.duckdb"
    store = open_store(place)
    fill(store, population, arrivals(population))
    store.close()
    file = tmp_path / "events.parquet"
    done = subprocess.run(
        [sys.executable, "-m", "askfirst", "store", "export", str(file), "--store", str(place)],
        env=environment(tmp_path / "home"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture
def population() -> Population:
    return Population(parse(TEXT), installations=120, days=60, seed=4, end=END)


def test_it_answers_from_an_export(exported: Path, population: Population) -> None:
    people, used, median, commonest = expected(population)
    assert used < people
    done = run(exported)
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()[:3]
    assert first == f"Of {people} installations {used} have used a second command."
    assert second.startswith(f"Half had after {median:.1f} days (95 % interval from ")
    assert third.startswith(f"  {commonest}: ")


def test_an_empty_export_has_no_answer(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    assert eventfile.write(file, []) == 0
    assert run(file).stdout == "There is no event in it.\n"


def test_what_is_no_export_is_refused_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    file.write_text("no Parquet")
    for words in ([file], [tmp_path / "none.parquet"], []):
        done = run(*words)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
