"""Authors with type checkers see the types that are there: mypy and pyright agree on `usage.py`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

USAGE = Path(__file__).with_name("usage.py")
ROOT = Path(__file__).parents[2]
PYTHON = "3.10"  # the oldest that we run on

Errors = dict[int, str]  # by line


def mypy(file: Path) -> Errors:
    # strict by pyproject.toml, whose cache of the frameworks' types spares half a minute
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--output", "json", file],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {Path(row["file"]).name for row in rows} == {"usage.py"}
    return {row["line"]: row["message"] for row in rows}


def pyright(file: Path) -> Errors:
    settings = {
        "include": [file.name],
        "typeCheckingMode": "strict",
        "pythonVersion": PYTHON,
        "enableTypeIgnoreComments": True,
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    (file.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=file.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    answer = json.loads(done.stdout)
    assert answer["summary"]["filesAnalyzed"] == 1
    rows = answer["generalDiagnostics"]
    return {
        row["range"]["start"]["line"] + 1: row["message"]
        for row in rows
        if row["severity"] == "error"
    }


@pytest.mark.slow
@pytest.mark.parametrize("check", [mypy, pyright])
def test_the_public_api_is_typed(check: Callable[[Path], Errors], tmp_path: Path) -> None:
    """One error is let through and one ignore is useless: so each checker is seen to look."""
    lines = USAGE.read_text().splitlines()
    wrong = lines.index("telemetry.send()  # type: ignore[attr-defined]")
    right = lines.index("telemetry.verbose = True")
    lines[wrong] = "telemetry.send()"
    lines[right] += "  # type: ignore[attr-defined]"
    file = tmp_path / "usage.py"
    file.write_text("\n".join(lines) + "\n")
    errors = check(file)
    assert sorted(errors) == sorted([wrong + 1, right + 1]), errors
    assert '"send"' in errors[wrong + 1]
    assert "nnecessary" in errors[right + 1] or "nused" in errors[right + 1]
