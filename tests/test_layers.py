"""The map of docs/design.md is enforced: a planted wrong import fails `make check`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # as a module, on the copy: the folder that it runs in comes first on the path
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as m; m()"]
        + ["--no-cache"],
        cwd=folder / "src",
        env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "src" / "pyproject.toml")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "wrong"),
    [
        ("contract/event.py", "import askfirst.client.queue"),
        ("client/consent.py", "import askfirst.stores.base"),
        ("client/queue.py", "import click"),
        ("testing.py", "import askfirst.integrations.click"),
        ("client/__init__.py", "import askfirst.testing"),
        ("usual.py", "import askfirst.testing"),
        ("usual.py", "import askfirst.stores.base"),
        ("stores/base.py", "import askfirst.questions"),
        ("questions/active.py", "import askfirst.collector.log"),
        ("collector/log.py", "import askfirst.client.log"),
        ("dashboard/pages.py", "import askfirst.collector.access"),
        ("questions/active.py", "import askfirst.dashboard.figures"),
        ("dashboard/figures.py", "import askfirst.client.log"),
        ("simulation/truth.py", "import askfirst.questions"),
    ],
)
def test_a_planted_wrong_import_fails(copy: Path, file: str, wrong: str) -> None:
    target = copy / "src" / "askfirst" / file
    target.write_text(target.read_text() + f"\n{wrong}\n")
    found = lint(copy)
    assert found.returncode == 1, found.stdout + found.stderr
    assert "BROKEN" in found.stdout


def test_the_map_as_it_is_holds(copy: Path) -> None:
    found = lint(copy)
    assert found.returncode == 0, found.stdout + found.stderr
