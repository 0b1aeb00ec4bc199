from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from askfirst import __version__
from askfirst.cli.main import COMMANDS, root
from askfirst.contract.jsontext import loads
from askfirst.contract.loading import parse
from tests.contract.test_loading import GOOD


def askfirst(*words: str) -> Result:
    return CliRunner().invoke(root, list(words), prog_name="askfirst")


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "telemetry.toml").write_text(GOOD)
    return str(tmp_path / "telemetry.toml")


def test_a_good_contract_is_called_good(file: str) -> None:
    done = askfirst("contract", "check", file, file)
    assert done.exit_code == 0
    assert done.stdout.count("good. Stratus CLI may record 3 commands and 5 fields.") == 2


def test_every_problem_is_told_on_stderr(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text(GOOD.replace('"flag"', '"x"').replace("retention_days = 395", ""))
    done = askfirst("contract", "check", str(bad))
    assert done.exit_code == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"askfirst: {bad}: ") for line in lines)


def test_show_prints_the_canonical_form_and_the_digest(file: str) -> None:
    canonical, digest = askfirst("contract", "show", file).stdout.splitlines()
    assert loads(canonical) == parse(GOOD).as_dict()
    assert digest == parse(GOOD).digest


def test_notice_goes_to_stdout_or_to_a_file(file: str, tmp_path: Path) -> None:
    printed = askfirst("contract", "notice", file).stdout
    assert printed.startswith("# Telemetry in Stratus CLI\n")
    assert askfirst("contract", "notice", file, "-o", str(tmp_path / "T.md")).exit_code == 0
    assert (tmp_path / "T.md").read_text() == printed
    failed = askfirst("contract", "notice", file, "-o", str(tmp_path / "none" / "T.md"))
    assert failed.exit_code == 1
    assert "cannot be written" in failed.stderr


def test_wrong_usage_is_2_and_a_missing_file_1() -> None:
    assert askfirst("contract", "check").exit_code == 2
    assert askfirst("nonsense").exit_code == 2
    assert askfirst("contract", "check", "/none.toml").exit_code == 1


def test_every_command_has_help() -> None:
    listed = askfirst("--help").stdout
    assert askfirst("--version").stdout == f"askfirst, version {__version__}\n"
    for name, text in COMMANDS.items():
        assert name in listed
        assert text in listed
        assert askfirst(name, "--help").exit_code == 0
