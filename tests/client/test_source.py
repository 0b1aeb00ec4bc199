from __future__ import annotations

import os
from pathlib import Path

import pytest

import askfirst
from askfirst.client import source as sources
from askfirst.client.source import Source
from askfirst.contract import loading
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract, ContractError
from tests.contract.test_loading import GOOD


class Loader:
    """Reads one file from an archive, as the loader of a module in it does."""

    def __init__(self, text: str) -> None:
        self._raw = text.encode()

    def get_data(self, path: str) -> bytes:
        assert path == os.path.join("app.pyz", "telemetry.toml")
        return self._raw


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "telemetry.toml").write_text(GOOD)
    return tmp_path / "telemetry.toml"


def test_a_contract_is_parsed_once(file: Path) -> None:
    source = Source(str(file))
    assert source.contract().canonical() == parse(GOOD).canonical()
    file.unlink()
    assert source.contract().digest == parse(GOOD).digest
    assert source.text() == GOOD


def read(fd: int) -> str:
    with open(fd, "rb") as file:
        return file.read().decode()


def test_what_is_opened_for_a_child_is_the_file(file: Path) -> None:
    fd = Source(str(file)).open()
    assert os.path.samestat(os.fstat(fd), file.stat())
    assert not os.get_inheritable(fd)
    assert read(fd) == GOOD


@pytest.mark.parametrize("has_memory_files", [True, False])
def test_a_contract_inside_an_archive_is_read_through_its_loader(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, has_memory_files: bool
) -> None:
    """A child reads it from a file without a name, however large it is."""
    if not has_memory_files:
        monkeypatch.delattr(os, "memfd_create", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    text = GOOD + "# " + "x" * 300_000
    source = Source(os.path.join("app.pyz", "telemetry.toml"), Loader(text))
    assert source.contract().name == "stratus"
    assert read(source.open()) == text
    assert list(tmp_path.iterdir()) == []


def test_a_contract_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"none\.toml: cannot be read"):
        Source(str(tmp_path / "none.toml")).contract()
    (tmp_path / "latin.toml").write_bytes(b"\xe4")
    with pytest.raises(ContractError, match="cannot be read"):
        Source(str(tmp_path / "latin.toml")).text()
    with pytest.raises(FileNotFoundError):
        Source(str(tmp_path / "none.toml")).open()


# -- what a sender parsed is kept -----------------------------------------------------------------


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
    first = sources.parse_once(GOOD, str(tmp_path))
    second = sources.parse_once(GOOD, str(tmp_path))
    assert parses == [GOOD]
    assert second.as_dict() == first.as_dict()
    assert second.digest == first.digest
    assert second.collects_more_than(first.agreement()) == []
    assert (tmp_path / sources.PARSED).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [sources.PARSED]


def test_another_text_is_parsed(tmp_path: Path, parses: list[str]) -> None:
    sources.parse_once(GOOD, str(tmp_path))
    other = GOOD + "\n# changed\n"
    sources.parse_once(other, str(tmp_path))
    sources.parse_once(other, str(tmp_path))
    assert parses == [GOOD, other]


def test_another_version_of_this_package_parses_again(
    tmp_path: Path, parses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources.parse_once(GOOD, str(tmp_path))
    monkeypatch.setattr(sources, "__version__", askfirst.__version__ + ".1")
    sources.parse_once(GOOD, str(tmp_path))
    assert len(parses) == 2


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "folder", "garbage"])
def test_a_damaged_file_is_parsed_again(tmp_path: Path, parses: list[str], damage: str) -> None:
    good = sources.parse_once(GOOD, str(tmp_path))
    path = tmp_path / sources.PARSED
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
    assert sources.parse_once(GOOD, str(tmp_path)).digest == good.digest
    assert len(parses) == 2


def test_without_a_folder_nothing_is_kept(tmp_path: Path, parses: list[str]) -> None:
    folder = str(tmp_path / "none")
    assert sources.parse_once(GOOD, folder).name == sources.parse_once(GOOD, folder).name
    assert len(parses) == 2
    assert not any(tmp_path.iterdir())


def test_what_is_no_contract_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        sources.parse_once("[tool]\n", str(tmp_path))
    assert not any(tmp_path.iterdir())
