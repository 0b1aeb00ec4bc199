from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from askfirst import __version__
from askfirst.cli import notices
from askfirst.cli.contract import ASKED_AGAIN
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


@pytest.mark.parametrize(("days", "warned"), [(56, True), (57, False)])
def test_a_retention_too_short_for_the_answers_is_warned_of(
    tmp_path: Path, days: int, warned: bool
) -> None:
    short = tmp_path / "short.toml"
    short.write_text(GOOD.replace("retention_days = 395", f"retention_days = {days}"))
    done = askfirst("contract", "check", str(short))
    assert done.exit_code == 0
    assert (f"retention_days = {days} is less than the answers look back" in done.stderr) == warned


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
    assert "\n# Telemetry in Stratus CLI\n" in printed
    assert askfirst("contract", "notice", file, "-o", str(tmp_path / "T.md")).exit_code == 0
    assert (tmp_path / "T.md").read_text() == printed
    failed = askfirst("contract", "notice", file, "-o", str(tmp_path / "none" / "T.md"))
    assert failed.exit_code == 1
    assert "cannot be written" in failed.stderr


def test_the_prompt_on_stdout_is_the_prompt_and_nothing_else(file: str) -> None:
    printed = askfirst("contract", "notice", file, "--form", "prompt").stdout
    assert printed == notices.prompt(parse(GOOD))


@pytest.mark.parametrize("form", notices.FORMS)
def test_a_notice_that_no_longer_matches_is_told_with_the_command_that_mends_it(
    file: str, tmp_path: Path, form: str
) -> None:
    document = tmp_path / "N.md"
    askfirst("contract", "notice", file, "--form", form, "-o", str(document))
    document.write_text("My own words.\n\n" + document.read_text())
    good = askfirst("contract", "notice", file, "--check", str(document))
    assert (good.exit_code, good.stderr) == (0, "")
    assert good.stdout.startswith(f"{document}: matches {file}.")
    Path(file).write_text(GOOD.replace("395", "30"))
    bad = askfirst("contract", "notice", file, "--check", str(document))
    assert bad.exit_code == 1
    said, remedy = bad.stderr.rstrip("\n").split("; run: askfirst ")
    assert said == f"askfirst: {document} no longer matches the contract"
    assert askfirst(*remedy.split()).exit_code == 0
    assert askfirst("contract", "notice", file, "--check", str(document)).exit_code == 0
    assert document.read_text().startswith("My own words.")


def test_the_blanks_are_counted_and_survive(file: str, tmp_path: Path) -> None:
    document = tmp_path / "N.md"
    wrote = askfirst("contract", "notice", file, "--form", "art13", "-o", str(document))
    assert "7 blanks to fill in" in wrote.stderr
    text = document.read_text().replace("[fill in: name and website]", "CNIL")
    document.write_text(text)
    checked = askfirst("contract", "notice", file, "--check", str(document))
    assert "6 blanks in it are still to be filled in" in checked.stdout
    askfirst("contract", "notice", file, "-o", str(document))
    assert document.read_text() == text


def test_a_document_of_somebody_elses_is_never_overwritten(file: str, tmp_path: Path) -> None:
    document = tmp_path / "README.md"
    document.write_text("# Mine\n")
    for words in (("-o", str(document)), ("--form", "prompt", "-o", str(document))):
        failed = askfirst("contract", "notice", file, *words)
        assert failed.exit_code == 1
        assert "exists and has no generated part" in failed.stderr
    assert document.read_text() == "# Mine\n"
    checked = askfirst("contract", "notice", file, "--check", str(document))
    assert checked.exit_code == 1
    assert "has no generated part; move it away, then run: " in checked.stderr
    askfirst("contract", "notice", file, "-o", str(tmp_path / "T.md"))
    other = askfirst(
        *("contract", "notice", file, "--form", "art30", "--check", str(tmp_path / "T.md"))
    )
    assert "has no generated part of the form art30" in other.stderr


def test_what_widens_is_said_and_guarded(file: str, tmp_path: Path) -> None:
    wider = tmp_path / "wider.toml"
    wider.write_text(GOOD.replace('"start", ', '"start", "x", ').replace("395", "30"))
    done = askfirst("contract", "diff", file, str(wider))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Collects more:",
        "- records the command x",
        "",
        "Collects less:",
        "- events are kept for 30 days, was 395",
        "",
        ASKED_AGAIN,
    ]
    guarded = askfirst("contract", "diff", file, str(wider), "--check")
    assert guarded.exit_code == 1
    assert guarded.stdout == done.stdout
    assert len(guarded.stderr.splitlines()) == 1
    assert "collects more than" in guarded.stderr
    assert "the command x" in guarded.stderr
    back = askfirst("contract", "diff", str(wider), file)
    assert ASKED_AGAIN in back.stdout  # 395 days are more than 30
    same = askfirst("contract", "diff", file, file, "--check")
    assert (same.exit_code, same.stdout) == (0, "The two contracts say the same.\n")


def test_stdin_can_be_one_of_the_two(file: str) -> None:
    narrower = GOOD.replace("395", "30")
    words = ["contract", "diff", file, "-", "--check", "--json"]
    done = CliRunner().invoke(root, words, prog_name="askfirst", input=narrower)
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert answer == {
        "old": parse(GOOD).digest,
        "new": parse(narrower).digest,
        "widens": False,
        "startsOver": False,
        "more": [],
        "changes": [
            {
                "effect": "narrows",
                "key": "tool.retention_days",
                "text": "events are kept for 30 days, was 395",
            }
        ],
    }
    assert askfirst("contract", "diff", "-", "-").exit_code == 2
    latin = CliRunner().invoke(root, ["contract", "check", "-"], input=b"\xff")
    assert latin.exit_code == 1
    assert "stdin: is not UTF-8 text" in latin.stderr


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
