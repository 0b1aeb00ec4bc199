"""The hosted CI covers the systems and Pythons that are promised, and trusts no tag."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
SYSTEMS = ["ubuntu-latest", "macos-latest", "windows-latest"]
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
# what hands something out may prove to others which workflow it is, and does nothing else
PUBLISHING = {
    "publish-client": {"id-token": "write"},
    "publish-collector": {"id-token": "write"},
    "publish-docs": {"id-token": "write", "pages": "write"},
}


def covered() -> list[tuple[str, str]]:
    found = []
    for job in CI["jobs"].values():
        matrix = job["strategy"]["matrix"]
        systems = matrix.get("system", [job["runs-on"]])
        found += product(systems, matrix["python"])
    return found


def test_the_matrix_is_three_systems_by_five_pythons() -> None:
    assert sorted(covered()) == sorted(product(SYSTEMS, PYTHONS))


def test_the_oldest_python_is_the_one_that_is_required() -> None:
    assert f'requires-python = ">={PYTHONS[0]}"' in (ROOT / "pyproject.toml").read_text()


def test_every_system_has_tests_that_exist() -> None:
    [linux, others] = CI["jobs"].values()
    assert any(step.get("run", "").endswith("bash .ci/run") for step in linux["steps"])
    assert (ROOT / ".ci" / "run").is_file()
    assert any("${{ matrix.tests }}" in step.get("run", "") for step in others["steps"])
    matrix = others["strategy"]["matrix"]
    assert [more["system"] for more in matrix["include"]] == matrix["system"]
    for more in matrix["include"]:
        for path in more["tests"].split():
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_by_its_commit(path: Path) -> None:
    uses = re.findall(r"^\s*-?\s*uses:\s*(.+)$", path.read_text(), re.MULTILINE)
    assert uses
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_may_read_and_nothing_else_but_publish(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        allowed = PUBLISHING.get(name) if path.name == "release.yml" else None
        assert job.get("permissions") == allowed, name
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_what_github_says_one_is(path: Path) -> None:
    words = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", PUBLISHING)
def test_a_job_that_publishes_runs_nothing_but_what_was_built_and_tested(name: str) -> None:
    """Who may publish gets no code of the repository, no shell, and an environment to guard it."""
    job = RELEASE["jobs"][name]
    assert job["environment"]["name"]
    uses = [step["uses"].split("@")[0] for step in job["steps"]]
    assert uses in (
        ["actions/download-artifact", "pypa/gh-action-pypi-publish"],
        ["actions/deploy-pages"],
    )
    needed, waiting = set(), [name]
    while waiting:
        needs = RELEASE["jobs"][waiting.pop()].get("needs", [])
        waiting += [needs] if isinstance(needs, str) else needs
        needed |= set(waiting)
    assert {"build", "test"} <= needed


def test_what_is_published_is_what_was_tested() -> None:
    uploads, downloads = {}, {}
    for name, job in RELEASE["jobs"].items():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/upload-artifact@"):
                uploads[step["with"]["name"]] = name
            if step.get("uses", "").startswith("actions/download-artifact@"):
                downloads[name] = step["with"].get("name", "all")
    assert uploads == {"askfirst": "build", "askfirst-collector": "build"}
    assert downloads == {
        "test": "all",
        "publish-client": "askfirst",
        "publish-collector": "askfirst-collector",
    }
    [*_, last] = RELEASE["jobs"]["test"]["steps"]
    assert "ASKFIRST_DIST=$PWD/dist" in last["run"]
    assert "ASKFIRST_DIST" in (ROOT / "tests" / "test_package.py").read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_command_contains_what_a_stranger_wrote(path: Path) -> None:
    """A title of a pull request in a shell command is a command."""
    workflow = yaml.safe_load(path.read_text())
    commands = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    for command in commands:
        assert not re.search(r"\$\{\{(?!\s*matrix\.)", command), command
