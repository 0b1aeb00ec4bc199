"""The wheel, as a stranger installs it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    [file] = folder.glob("*.whl")
    return file


@pytest.mark.slow
def test_the_client_alone_pulls_in_nothing(wheel: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path)
    done = run(tmp_path / "bin" / "pip", "install", "--no-index", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = run(tmp_path / "bin" / "pip", "list", "--format", "freeze").stdout.split()
    assert {row.partition("==")[0] for row in listed} <= {"askfirst", "pip", "setuptools"}
    imported = run(tmp_path / "bin" / "python", "-c", "from askfirst import Telemetry, Contract")
    assert imported.returncode == 0, imported.stderr
    command = run(tmp_path / "bin" / "askfirst", "report")
    assert command.returncode == 1
    assert command.stderr == "askfirst: click is not installed; pip install 'askfirst[collector]'\n"


@pytest.mark.slow
def test_the_wheel_brings_what_the_code_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    wanted = {
        str(path.relative_to(source))
        for pattern in ("*.sql", "*.json", "*.typed", "*.py", "templates/*.html", "static/**/*.*")
        for path in source.rglob(pattern)
    }
    assert wanted <= names
    assert "askfirst/_example/stratus/telemetry.toml" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
