"""The project that docs/testing.md shows works as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "testing.md").read_text()


def files() -> dict[str, str]:
    """Every code block by the name in its first line."""
    blocks = re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len(blocks) == DOCUMENT.count("\n```\n")
    return dict(blocks)


def test_the_project_of_the_how_to_passes_its_own_tests(tmp_path: Path) -> None:
    project, home = tmp_path / "project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    written = files()
    for name, text in written.items():
        (project / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "askfirst"],
        cwd=project,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(ROOT / "src"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    tests = sum(text.count("\ndef test_") for text in written.values()) + 1  # one has two cases
    assert f"{tests} passed" in done.stdout, done.stdout + done.stderr
    assert not list(home.rglob("*"))
