"""`parsed`: TOML is read once, and again whenever it may have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

import askfirst
from askfirst.client import parsed
from askfirst.contract import loading
from askfirst.contract.model import Contract, ContractError
from tests.contract.test_loading import GOOD


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were read as TOML."""
    seen: list[str] = []
    parse = loading.parse

    def noted(text: str) -> Contract:
        seen.append(text)
        return parse(text)

    monkeypatch.setattr(loading, "parse", noted)
    return seen


def test_the_second_time_nothing_is_parsed(tmp_path: Path, parses: list[str]) -> None:
    first = parsed.contract(GOOD, str(tmp_path))
    second = parsed.contract(GOOD, str(tmp_path))
    assert parses == [GOOD]
    assert second.as_dict() == first.as_dict()
    assert second.digest == first.digest
    assert second.collects_more_than(first.agreement()) == []
    assert (tmp_path / parsed.NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [parsed.NAME]


def test_another_text_is_parsed(tmp_path: Path, parses: list[str]) -> None:
    parsed.contract(GOOD, str(tmp_path))
    other = GOOD + "\n# changed\n"
    parsed.contract(other, str(tmp_path))
    parsed.contract(other, str(tmp_path))
    assert parses == [GOOD, other]


def test_another_version_of_this_package_parses_again(
    tmp_path: Path, parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed.contract(GOOD, str(tmp_path))
    monkeypatch.setattr(parsed, "__version__", askfirst.__version__ + ".1")
    parsed.contract(GOOD, str(tmp_path))
    assert len(parses) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "folder", "garbage"])
def test_a_damaged_file_is_parsed_again(tmp_path: Path, parses: list[str], damage: str) -> None:
    good = parsed.contract(GOOD, str(tmp_path))
    path = tmp_path / parsed.NAME
    raw = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        damaged = {
            "empty": b"",
            "cut": raw[:-5],
            "changed": raw.replace(b'"hash"', b'"version"', 1),
            "garbage": b"\xff\n\xff",
        }
        path.write_bytes(damaged[damage])
    assert parsed.contract(GOOD, str(tmp_path)).digest == good.digest
    assert len(parses) == 2


def test_without_a_folder_nothing_is_kept(tmp_path: Path, parses: list[str]) -> None:
    folder = str(tmp_path / "none")
    assert parsed.contract(GOOD, folder).name == parsed.contract(GOOD, folder).name
    assert len(parses) == 2
    assert not any(tmp_path.iterdir())


def test_what_is_no_contract_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        parsed.contract("[tool]\n", str(tmp_path))
    assert not any(tmp_path.iterdir())
