from __future__ import annotations

import os
from pathlib import Path

import pytest

from askfirst.client.source import Source
from askfirst.contract.loading import parse
from askfirst.contract.model import ContractError
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
