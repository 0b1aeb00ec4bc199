"""The hosts file is as it was, whatever happens while a name stands for this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop import hosts


@pytest.fixture(autouse=True)
def file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A hosts file of the test's own, which nobody resolves names with."""
    path = tmp_path / "hosts"
    monkeypatch.setattr(hosts, "HOSTS", path)
    monkeypatch.setattr(hosts, "_check", lambda: None)
    return path


@pytest.mark.parametrize("text", [b"", b"127.0.0.1 localhost", b"127.0.0.1 localhost\n"])
def test_the_entry_goes_even_if_the_test_fails(file: Path, text: bytes) -> None:
    file.write_bytes(text)
    inode = file.stat().st_ino
    with pytest.raises(pytest.fail.Exception, match=hosts.NAME), hosts.here():
        pytest.fail(file.read_text())
    assert (file.read_bytes(), file.stat().st_ino) == (text, inode)


def test_what_another_program_wrote_meanwhile_stays(file: Path) -> None:
    file.write_bytes(b"127.0.0.1 localhost\n")
    with hosts.here(), file.open("ab") as other:
        other.write(b"127.0.0.1 vm\n")
    assert file.read_bytes() == b"127.0.0.1 localhost\n127.0.0.1 vm\n"


def test_an_entry_that_a_killed_run_left_goes_too(file: Path) -> None:
    file.write_bytes(b"127.0.0.1 localhost\n" + hosts.ENTRY)
    with hosts.here():
        assert file.read_bytes().count(hosts.ENTRY) == 1
    assert file.read_bytes() == b"127.0.0.1 localhost\n"


def test_a_hosts_file_that_cannot_be_written_skips(file: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="No such file"), hosts.here():
        pass
