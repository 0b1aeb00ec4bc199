"""docs/operating.md names every file of ops/, where each says it belongs, and true numbers."""

from __future__ import annotations

import re
from pathlib import Path

from tests.ops.provocations import FORWARDING
from tests.ops.test_systemd import EXPOSED

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operating.md").read_text()
FILES = sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "ops").rglob("*") if path.is_file()
)
PLACE = re.compile(r"^# (?:.*the whole of )?(/etc/[\w./-]+)[:.]", re.MULTILINE)


def test_every_file_is_named_and_every_name_is_a_file() -> None:
    named = set(re.findall(r"(?<!tests/)\bops/[\w./-]*\w", PAGE))
    # what the user puts there, and what a compose file or the Caddyfile's proxy takes along
    assert set(FILES) - named == set()
    assert {name for name in named - {"ops/contract"} if not (ROOT / name).exists()} == set()


def test_a_file_is_put_where_it_says_it_belongs() -> None:
    found = 0
    for name in FILES:
        place = PLACE.search((ROOT / name).read_text())
        if place:
            found += 1
            folder, _, last = place[1].rpartition("/")
            commands = [
                line for line in PAGE.splitlines() if f" {name}" in line or f"/{last}" in line
            ]
            assert any(folder in line for line in commands), name
    assert found >= 8


def test_the_numbers_are_those_of_the_tests() -> None:
    assert f"an exposure of {EXPOSED['askfirst.service'] / 10} of 10" in PAGE
    assert len(FORWARDING) == 18
    assert "eighteen forwarding headers" in PAGE.replace("\n", " ")


def test_the_settings_are_those_that_the_collector_takes() -> None:
    from askfirst.cli.serve import command
    from tests.ops.test_systemd import SERVE

    options = {option.lstrip("-") for param in command.params for option in param.opts}
    direct = PAGE.split("cat > /etc/askfirst/serve.toml <<'END'\n")[1].split("END\n")[0]
    for text in (SERVE, direct):
        settings = set(re.findall(r"^([\w-]+) = ", text, re.MULTILINE))
        assert settings
        assert settings <= options
