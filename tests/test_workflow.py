"""The hosted CI covers the systems and Pythons that are promised, and trusts no tag."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
SYSTEMS = ["ubuntu-latest", "macos-latest", "windows-latest"]
CI = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())


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
def test_a_workflow_may_read_and_nothing_else(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "permissions" not in job
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_command_contains_what_a_stranger_wrote(path: Path) -> None:
    """A title of a pull request in a shell command is a command."""
    workflow = yaml.safe_load(path.read_text())
    commands = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    for command in commands:
        assert not re.search(r"\$\{\{(?!\s*matrix\.)", command), command
