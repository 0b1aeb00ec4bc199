"""docs/promises.md names tests that exist, and its commands show what it says."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.docs.reader import Shell, expected
from tests.docs.test_tutorial import own_network

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text()
LINK = re.compile(r"\]\(\.\./(tests/[\w/]+\.py)#(test_\w+)\)")
COMMAND = re.compile(r"`([^`]+)`(, then Enter)?(, with `askfirst inspect`)?")


class Row(NamedTuple):
    promise: str
    tests: str
    check: str
    seen: str


def rows() -> list[Row]:
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]
    return [Row(*row) for row in cells if row[0] not in ("promise", "---")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.promise[:40])
def test_a_promise_is_held_by_tests_that_exist(row: Row) -> None:
    named = LINK.findall(row.tests)
    assert named, row
    for file, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), name


def test_what_was_promised_in_2018_and_since_is_there() -> None:
    assert len(rows()) == len(set(rows())) > 25
    assert all(row.check for row in rows())


@pytest.mark.slow
@pytest.mark.needs("strace")
def test_the_commands_show_what_the_page_says(tmp_path: Path) -> None:
    [setup] = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    env = {
        "PATH": os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"])),
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "LANG": "C.UTF-8",
    }
    ran = 0
    with own_network() as inside:
        shells = [Shell(ROOT, env, inside), Shell(ROOT, env, inside)]
        try:
            first, second = shells
            for line in setup.splitlines()[1:]:  # the example is installed in this environment
                first.type(line + "\n")
                first.wait()
            for row in rows():
                found = COMMAND.match(row.check)
                if row.seen and found:
                    show(first, second, found, row)
                    ran += 1
        finally:
            for shell in shells:
                shell.close()
    assert ran > 15


def show(first: Shell, second: Shell, found: re.Match[str], row: Row) -> None:
    """Type a row's command, and compare what comes with what the row says, white space aside."""
    command, enter, inspect = found.groups()
    if inspect:
        second.type("askfirst inspect\n")
        second.wait(expected("listening on…"))
    first.type(command + "\n")
    if enter:
        first.wait(expected("…> No, thank you.…Yes…"))
        first.more("\r")
    shown = " ".join(first.wait(code=None).split())
    assert expected(row.seen.strip("`")).fullmatch(shown), f"{row.promise}\n{shown}"
