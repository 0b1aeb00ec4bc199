"""The two distributions, built by way of their sdists, as a stranger installs them."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from askfirst import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
COLLECTOR = ROOT / "packaging" / "collector"
MOST_BYTES = 250_000  # of the client as installed, without what Python compiles of it
USERS_SIDE = {
    "__init__.py",
    "__main__.py",
    "_vendor",
    "client",
    "contract",
    "integrations",
    "py.typed",
    "testing.py",
}


def run(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both wheels, each built from the sdist that was built from here."""
    folder = tmp_path_factory.mktemp("dist")
    for source in (ROOT, COLLECTOR):
        done = run(sys.executable, "-m", "build", "--outdir", folder, source)
        assert done.returncode == 0, done.stdout + done.stderr
    return {file.name.partition("-")[0]: file for file in folder.glob("*.whl")}


def code(wheel: Path) -> set[str]:
    """What a wheel puts into the package."""
    names = zipfile.ZipFile(wheel).namelist()
    return {name for name in names if name.startswith("askfirst/")}


def here() -> set[str]:
    """Every file of the package in this repository, and the example.

    But for a licence, which wheels keep among their licences.
    """
    found = set()
    for root, prefix in (
        (ROOT / "src" / "askfirst", "askfirst"),
        (ROOT / "examples" / "stratus" / "stratus", "askfirst/_example/stratus"),
    ):
        for path in root.rglob("*"):
            if path.name == "LICENSE":
                continue
            if path.is_file() and "__pycache__" not in path.parts:
                found.add(f"{prefix}/{path.relative_to(root).as_posix()}")
    return found


@pytest.mark.slow
def test_the_client_alone_pulls_in_nothing(wheels: dict[str, Path], tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path)
    done = run(tmp_path / "bin" / "pip", "install", "--no-index", wheels["askfirst"])
    assert done.returncode == 0, done.stdout + done.stderr
    listed = run(tmp_path / "bin" / "pip", "list", "--format", "freeze").stdout.split()
    assert {row.partition("==")[0] for row in listed} <= {"askfirst", "pip", "setuptools"}
    imported = run(tmp_path / "bin" / "python", "-c", "from askfirst import Telemetry, Contract")
    assert imported.returncode == 0, imported.stderr
    command = run(tmp_path / "bin" / "askfirst", "report")
    assert command.returncode == 1
    remedy = 'pip install "askfirst[collector]"'
    assert command.stderr == f"askfirst: the collector is not installed; {remedy}\n"


@pytest.mark.slow
def test_the_client_is_small(wheels: dict[str, Path], tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", tmp_path)
    run(tmp_path / "bin" / "pip", "install", "--no-index", wheels["askfirst"])
    [record] = tmp_path.glob(f"lib/*/site-packages/askfirst-{__version__}.dist-info/RECORD")
    with record.open(newline="") as lines:
        files = [record.parents[1] / name for name, _, _ in csv.reader(lines)]
    kept = [file for file in files if file.suffix != ".pyc"]
    assert len(files) > len(kept) > 40
    assert sum(file.stat().st_size for file in kept) <= MOST_BYTES


@pytest.mark.slow
def test_the_clients_wheel_holds_the_users_side_and_nothing_else(wheels: dict[str, Path]) -> None:
    assert {name.split("/")[1] for name in code(wheels["askfirst"])} == USERS_SIDE
    wanted = {name for name in here() if name.split("/")[1] in USERS_SIDE}
    assert code(wheels["askfirst"]) == wanted
    names = zipfile.ZipFile(wheels["askfirst"]).namelist()
    others = {name.split("/", 1)[1] for name in names if not name.startswith("askfirst/")}
    assert others == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "licenses/src/askfirst/_vendor/tomli/LICENSE",
    }


@pytest.mark.slow
def test_the_collectors_wheel_holds_all_the_rest(wheels: dict[str, Path]) -> None:
    assert code(wheels["askfirst_collector"]) == here() - code(wheels["askfirst"])
    assert "askfirst/_example/stratus/telemetry.toml" in code(wheels["askfirst_collector"])
    names = zipfile.ZipFile(wheels["askfirst_collector"]).namelist()
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_both_together_are_the_whole(wheels: dict[str, Path], tmp_path: Path) -> None:
    """What they depend on is in this environment already; only their own files are new."""
    run(sys.executable, "-m", "venv", tmp_path)
    pip = tmp_path / "bin" / "pip"
    done = run(pip, "install", "--no-index", "--no-deps", *wheels.values())
    assert done.returncode == 0, done.stdout + done.stderr
    [site] = tmp_path.glob("lib/*/site-packages")
    contract = site / "askfirst" / "_example" / "stratus" / "telemetry.toml"
    libraries = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    checked = run(
        *(tmp_path / "bin" / "askfirst", "contract", "check", contract), PYTHONPATH=libraries
    )
    assert checked.returncode == 0, checked.stderr
    assert "Stratus CLI" in checked.stdout


def test_both_distributions_have_one_version() -> None:
    client, collector = project(ROOT), project(COLLECTOR)
    extras = client["optional-dependencies"]
    assert extras["collector"] == [f"askfirst-collector=={__version__}"]
    assert extras["clickhouse"] == [f"askfirst-collector[clickhouse]=={__version__}"]
    assert f"askfirst=={__version__}" in collector["dependencies"]


def test_both_distributions_agree_on_python_and_licence() -> None:
    client, collector = project(ROOT), project(COLLECTOR)
    for key in ("license", "requires-python", "keywords"):
        assert client[key] == collector[key]
    assert (COLLECTOR / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
