from __future__ import annotations

import os
from pathlib import Path

import pytest

from askfirst.client.source import CACHE, Source, peek
from askfirst.contract.loading import parse
from askfirst.contract.model import ContractError
from tests.contract.test_loading import GOOD


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (GOOD, ("stratus", "home")),
        (
            '[tool] # the tool\nname="a-b" # yes\nstate = "xdg"\n[fields.x]\nname = "no"',
            ("a-b", "xdg"),
        ),
        ("[tool]\nname = 'single'", None),
        ('[tool]\nname = """x"""', None),
        ('[tool]\nname = "x" "y"', None),
        ('[tool]\nname = "\\u0078"', None),
        ('[tool]\nname = "NO"', None),
        ('[other]\nname = "x"', None),
        ('["tool"]\nname = "x"', None),
        ('[tool]\nname = "x"\nstate = "other"', None),
        ("", None),
    ],
)
def test_peeking_never_sees_anything_but_the_truth(text: str, seen: object) -> None:
    assert peek(text) == seen


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "telemetry.toml").write_text(GOOD)
    return tmp_path / "telemetry.toml"


def test_a_contract_is_parsed_once_and_read_from_its_copy_after(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(tmp_path)
    first = Source(str(file))
    assert first.name_and_state() == ("stratus", "home")
    first.contract(folder)
    first.keep(folder)
    monkeypatch.setattr("askfirst.contract.loading.parse", None)
    again = Source(str(file)).contract(folder)
    assert again.canonical() == parse(GOOD).canonical()
    assert (tmp_path / CACHE).stat().st_mode & 0o777 == 0o600


def test_a_changed_contract_is_parsed_again(file: Path, tmp_path: Path) -> None:
    folder = str(tmp_path)
    first = Source(str(file))
    first.contract(folder)
    first.keep(folder)
    file.write_text(GOOD.replace("395", "7"))
    second = Source(str(file))
    assert second.contract(folder).retention_days == 7
    second.keep(folder)
    assert Source(str(file)).contract(folder).retention_days == 7


@pytest.mark.parametrize("garbage", [b"", b"\xff", b"{}", b'"x"\n{}', b"\n\n"])
def test_a_copy_that_is_not_one_is_passed_over(file: Path, tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / CACHE).write_bytes(garbage)
    assert Source(str(file)).contract(str(tmp_path)).digest == parse(GOOD).digest


def test_a_damaged_copy_with_the_right_head_is_passed_over(file: Path, tmp_path: Path) -> None:
    source = Source(str(file))
    source.contract()
    source.keep(str(tmp_path))
    head = (tmp_path / CACHE).read_bytes().split(b"\n")[0]
    for rest in (b"", b"[]", b'{"tool": {}}', b'{"tool": {"commands": 3}, "fields": {}}'):
        (tmp_path / CACHE).write_bytes(head + b"\n" + rest)
        assert Source(str(file)).contract(str(tmp_path)).digest == parse(GOOD).digest


def test_a_contract_inside_an_archive_is_read_through_its_loader(tmp_path: Path) -> None:
    class Loader:
        def get_data(self, path: str) -> bytes:
            assert path == os.path.join("app.pyz", "telemetry.toml")
            return GOOD.encode()

    source = Source(os.path.join("app.pyz", "telemetry.toml"), Loader())
    assert source.contract().name == "stratus"
    source.keep(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_contract_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"none\.toml: cannot be read"):
        Source(str(tmp_path / "none.toml")).name_and_state()
    (tmp_path / "latin.toml").write_bytes(b"\xe4")
    with pytest.raises(ContractError, match="cannot be read"):
        Source(str(tmp_path / "latin.toml")).text()
