"""The programs of docs/howto/embed.md run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from askfirst._vendor import tomli  # Python 3.10 has no tomllib
from askfirst.contract.loading import load

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "embed.md").read_text()
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
[LOOK] = re.findall(
    r"^## Look at it\n\n```\npip install \.\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
)
PROGRAMS = [name for name in FILES if name.endswith(".py")]


def test_every_framework_has_a_program() -> None:
    frameworks = {"argparse", "click", "cyclopts", "typer"}
    integrations = Path(__file__).parents[2] / "src" / "askfirst" / "integrations"
    assert frameworks <= {path.stem for path in integrations.glob("*.py")}
    assert {f"notes_{name}.py" for name in (*frameworks, "plain")} == set(PROGRAMS)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_records_what_succeeds_and_nothing_else(name: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for file in ("telemetry.toml", name):
        (tmp_path / file).write_text(FILES[file])
    assert load(str(tmp_path / "telemetry.toml")).commands == ("add", "show")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "ASKFIRST_COLLECTOR": "http://127.0.0.1:9",  # closed, so that what is queued stays
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(tmp_path / name), *words],
            env=env,
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("add", "before a Yes").stdout == "Noted in inbox.\n"
    assert run("telemetry", "on").returncode == 0
    assert run("add", "").returncode != 0
    done = run("add", "Buy milk", "--book", "home")
    assert (done.returncode, done.stdout) == (0, "Noted in home.\n"), done.stderr
    waiting, _next = run("telemetry", "show").stdout.splitlines()
    event = json.loads(waiting)
    assert event["cli"] == {"version": "1.0.0", "command": "add"}
    assert re.fullmatch("[0-9a-f]{64}", event["application"]["name"])
    assert "milk" not in waiting


def test_what_the_page_types_works(tmp_path: Path) -> None:
    """With a script such as `pip install .` makes of what pyproject.toml says."""
    project = tomli.loads(FILES["pyproject.toml"])["project"]
    [(script, (module, attribute))] = [
        (name, target.split(":")) for name, target in project["scripts"].items()
    ]
    package = tmp_path / "notes"
    package.mkdir()
    for name, text in FILES.items():
        (package / name).write_text(text)
    (package / "__init__.py").touch()
    for name, what in re.findall(r"notes\.(notes_\w+):(\w+)", PAGE):
        assert re.search(rf"^(def )?{what}\b", FILES[f"{name}.py"], re.MULTILINE)
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / script
    file.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {module} import {attribute}\nsys.exit({attribute}())\n"
    )
    file.chmod(0o755)
    env = {
        "PATH": f"{file.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "ASKFIRST_COLLECTOR": "http://127.0.0.1:9",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    run = subprocess.run(
        ["sh", "-e", "-c", LOOK], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "is on" in run.stdout
    assert '"command":"add"' in run.stdout.splitlines()[-2]
    assert "telemetry: queued for" in run.stderr
