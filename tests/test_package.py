"""The two distributions, built by way of their sdists, as a stranger installs them."""

from __future__ import annotations

import csv
import http.client
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from askfirst import __version__
from tests.collector.serving import make_event

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
    "usual.py",
}
REPOSITORY = {
    ".ci",
    ".dockerignore",
    ".github",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "PKG-INFO",
    "README.md",
    "SECURITY.md",
    "bench",
    "docs",
    "examples",
    "mkdocs.yml",
    "ops",
    "packaging",
    "pyproject.toml",
    "src",
    "tests",
    "tools",
}
MADE = re.compile(
    r"(^|/)(__pycache__|\.hypothesis|\.\w+_cache|dist|site|build|node_modules)/|\.pyc$"
)
MADE_BY_A_VENV = {"_distutils_hack", "_virtualenv"}


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
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is released, if it is there; else built as `make dist` does, with what is installed."""
    if "ASKFIRST_DIST" in os.environ:
        return Path(os.environ["ASKFIRST_DIST"])
    folder = tmp_path_factory.mktemp("dist")
    for source in (ROOT, COLLECTOR):
        done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheels(dist: Path) -> dict[str, Path]:
    """Both wheels, each built from the sdist that was built from here."""
    return {file.name.partition("-")[0]: file for file in dist.glob("*.whl")}


@pytest.fixture(scope="module")
def sdists(dist: Path) -> dict[str, set[str]]:
    """What either sdist holds."""
    found = {}
    for file in dist.glob("*.tar.gz"):
        with tarfile.open(file) as archive:
            names = [row.name.partition("/")[2] for row in archive.getmembers() if row.isfile()]
        assert len(names) == len(set(names))
        found[file.name.partition("-")[0]] = set(names)
    return found


@pytest.fixture(scope="module")
def empty(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that has nothing but the client, installed as a stranger would."""
    place = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", place)
    done = run(place / "bin" / "pip", "install", "--no-index", wheels["askfirst"])
    assert done.returncode == 0, done.stdout + done.stderr
    return place


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


def installed(place: Path) -> list[Path]:
    """Return the client's files, without what Python compiled of them."""
    [record] = place.glob(f"lib/*/site-packages/askfirst-{__version__}.dist-info/RECORD")
    with record.open(newline="") as lines:
        files = [record.parents[1] / name for name, _, _ in csv.reader(lines)]
    kept = [file for file in files if file.suffix != ".pyc"]
    assert len(files) > len(kept) > 40
    return kept


@pytest.mark.slow
def test_the_client_alone_pulls_in_nothing(empty: Path) -> None:
    listed = run(empty / "bin" / "pip", "list", "--format", "freeze").stdout.split()
    assert {row.partition("==")[0] for row in listed} <= {"askfirst", "pip", "setuptools"}
    imported = run(empty / "bin" / "python", "-c", "from askfirst import Telemetry, Contract")
    assert imported.returncode == 0, imported.stderr
    command = run(empty / "bin" / "askfirst", "report")
    assert command.returncode == 1
    remedy = 'pip install "askfirst[collector]"'
    assert command.stderr == f"askfirst: the collector is not installed; {remedy}\n"


@pytest.mark.slow
def test_the_client_imports_the_standard_library_only(empty: Path) -> None:
    """Every module of it but those for a framework, and the one for pytest."""
    program = (
        "import pkgutil, sys, askfirst.client, askfirst.contract, askfirst.integrations.argparse\n"
        "for package in (askfirst.client, askfirst.contract):\n"
        "    for row in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        __import__(row.name)\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)\n"
    )
    done = run(empty / "bin" / "python", "-c", program)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= {"askfirst", "__main__"} | MADE_BY_A_VENV


@pytest.mark.slow
def test_the_client_is_small(empty: Path, record_property: Callable[[str, object], None]) -> None:
    """Only its size is held against a number; `pytest -rP` shows that and the time of its import."""
    size = sum(file.stat().st_size for file in installed(empty))
    program = (
        "import time\n"
        "began = time.process_time_ns()\n"
        "from askfirst import Telemetry\n"
        "print((time.process_time_ns() - began) // 1000)\n"
    )
    microseconds = int(run(empty / "bin" / "python", "-c", program).stdout)
    print(f"the client: {size} bytes installed, {microseconds} microseconds of CPU to import")  # noqa: T201
    record_property("bytes", size)
    record_property("import_microseconds", microseconds)
    assert size <= MOST_BYTES


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
def test_both_together_are_the_whole_and_serve(wheels: dict[str, Path], tmp_path: Path) -> None:
    """What they depend on is in this environment already; only their own files are new."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path)
    pip = [sys.executable, "-m", "pip", "--python", tmp_path / "bin" / "python"]
    done = run(*pip, "install", "--no-index", "--no-deps", *wheels.values())
    assert done.returncode == 0, done.stdout + done.stderr
    [site] = tmp_path.glob("lib/*/site-packages")
    assert (site / "askfirst" / "py.typed").is_file()  # of the package, whoever else adds to it
    contract = site / "askfirst" / "_example" / "stratus" / "telemetry.toml"
    libraries = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    askfirst = tmp_path / "bin" / "askfirst"
    said = run(askfirst, "--version", PYTHONPATH=libraries)
    assert said.stdout == f"askfirst, version {__version__}\n", said.stderr
    checked = run(askfirst, "contract", "check", contract, PYTHONPATH=libraries)
    assert checked.returncode == 0, checked.stderr
    assert "Stratus CLI" in checked.stdout
    serve(askfirst, contract, libraries, tmp_path)


def serve(askfirst: Path, contract: Path, libraries: str, home: Path) -> None:
    """Have the installed collector take an event, and end it."""
    data, state = str(home / "data"), str(home / "state")
    places = {"XDG_DATA_HOME": data, "XDG_STATE_HOME": state, "PYTHONPATH": libraries}
    words = [str(askfirst), "serve", "--contract", str(contract), "--port", "0"]
    with subprocess.Popen(
        words, env={**os.environ, **places}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().split()[-1]
            assert url.startswith("http://127.0.0.1:"), url
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
            batch = json.dumps({"tool": "stratus", "events": [make_event()]})
            connection.request("POST", "/v1/events", batch, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, json.load(answer)["accepted"]) == (200, 1)
            connection.close()
        finally:
            process.terminate()
    assert process.returncode == 0


@pytest.mark.slow
def test_a_wheel_depends_on_nothing_or_on_its_other_half_and_libraries(
    wheels: dict[str, Path],
) -> None:
    needs = {}
    for name, wheel in wheels.items():
        with zipfile.ZipFile(wheel) as archive:
            [path] = [row for row in archive.namelist() if row.endswith(".dist-info/METADATA")]
            text = archive.read(path).decode()
        needs[name] = re.findall(r"^Requires-Dist: (.+)$", text, re.MULTILINE)
    assert all("extra ==" in row for row in needs["askfirst"])
    assert f"askfirst=={__version__}" in needs["askfirst_collector"]


@pytest.mark.slow
def test_the_clients_sdist_is_the_repository(sdists: dict[str, set[str]]) -> None:
    """What one needs to build, test and read it, and nothing that was made on the way."""
    names = sdists["askfirst"]
    assert {name.partition("/")[0] for name in names} == REPOSITORY
    for folder in sorted(name for name in REPOSITORY if (ROOT / name).is_dir()):
        here = {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and not MADE.search(path.relative_to(ROOT).as_posix())
        }
        assert here == {name for name in names if name.startswith(f"{folder}/")}
    assert not [name for name in names if MADE.search(name)]


@pytest.mark.slow
def test_the_collectors_sdist_is_its_folder_and_its_code(
    sdists: dict[str, set[str]], wheels: dict[str, Path]
) -> None:
    own = {".gitignore", "LICENSE", "PKG-INFO", "README.md", "hatch_build.py", "pyproject.toml"}
    source = {f"src/{name}" for name in code(wheels["askfirst_collector"])}
    assert sdists["askfirst_collector"] == own | source


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
