from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from askfirst.client import dotfile
from askfirst.contract.event import is_uuid
from askfirst.contract.hashing import hash_text
from askfirst.contract.loading import parse
from tests.contract.test_loading import GOOD

CONTRACT = parse(GOOD)
UUID = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / ".stratus")


def saved(path: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(Path(path).read_text())
    return found


def test_a_yes_makes_a_uuid_and_keeps_what_was_agreed_to(path: str) -> None:
    dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25")
    data = saved(path)
    assert is_uuid(data["installationId"])
    assert data["versions"] == {
        "1.4.0": {
            "sendTelemetry": True,
            "decidedAt": "2026-11-25",
            "contract": CONTRACT.digest,
            "agreed": CONTRACT.agreement(),
        }
    }
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert os.listdir(os.path.dirname(path)) == [".stratus"]


def test_a_second_yes_keeps_the_uuid_and_the_earlier_answer(path: str) -> None:
    first = dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25").installation
    second = dotfile.agree(path, "1.5.0", CONTRACT, "2026-11-26")
    assert second.installation == first
    assert set(second.answers) == {"1.4.0", "1.5.0"}


def test_a_no_holds_the_answer_only(path: str) -> None:
    dotfile.refuse(path, "1.4.0", "2026-11-25")
    assert saved(path) == {
        "versions": {"1.4.0": {"sendTelemetry": False, "decidedAt": "2026-11-25"}}
    }


def test_a_no_revokes_everywhere(path: str) -> None:
    dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25")
    dotfile.refuse(path, "1.5.0", "2026-11-26", revoked=True)
    data = saved(path)
    assert "installationId" not in data
    assert [a.get("sendTelemetry") for a in dotfile.read(path).answers.values()] == [False, False]
    assert [a["revoked"] for a in dotfile.read(path).answers.values()] == ["2026-11-26"] * 2
    assert UUID not in Path(path).read_text()


def test_on_after_off_makes_another_uuid(path: str) -> None:
    first = dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25").installation
    dotfile.refuse(path, "1.4.0", "2026-11-25", revoked=True)
    assert dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25").installation not in ("", first)


def test_erasing_keeps_the_hash_until_it_is_confirmed(path: str) -> None:
    uuid = dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25").installation
    found = dotfile.refuse(path, "1.4.0", "2026-11-25", revoked=True, erasing=True)
    assert found.erasing == hash_text(uuid, uuid)
    assert uuid not in Path(path).read_text()
    assert dotfile.erased(path, hash_text(UUID, UUID)).erasing, "another's was confirmed"
    assert dotfile.erased(path, hash_text(uuid, uuid)).erasing == ""


def test_what_has_still_to_be_erased_outlives_another_yes(path: str) -> None:
    """Nothing was recorded under the second number, so its hash need not be kept."""
    first = dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25").installation
    dotfile.refuse(path, "1.4.0", "2026-11-25", revoked=True, erasing=True)
    second = dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-26").installation
    found = dotfile.refuse(path, "1.4.0", "2026-11-26", revoked=True, erasing=True)
    assert found.erasing == hash_text(first, first)
    assert (found.installation, found.answers["1.4.0"]["sendTelemetry"]) == ("", False)
    assert second not in Path(path).read_text()


def test_unknown_keys_are_kept(path: str) -> None:
    Path(path).write_text(
        '{"theme": "dark", "versions": {"1.0.0": {"sendTelemetry": true, "x": 1}}}'
    )
    dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25")
    data = saved(path)
    assert data["theme"] == "dark"
    assert dotfile.read(path).answers["1.0.0"]["x"] == 1


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", "missing"),
        (b"{}", "read"),
        (b"[]", "unreadable"),
        (b"null", "unreadable"),
        (b"\xff\xfe", "unreadable"),
        (b'{"versions": ', "unreadable"),
        (b"[" * 100_000, "unreadable"),
        (b" " * 1_000_001, "unreadable"),
    ],
)
def test_what_is_no_dotfile_is_told_apart(path: str, content: bytes, status: str) -> None:
    Path(path).write_bytes(content)
    found = dotfile.read(path)
    assert found.status == status
    assert (found.answers, found.installation, found.erasing) == ({}, "", "")


def test_a_folder_a_fifo_and_a_dangling_link_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert dotfile.read(str(tmp_path / "folder")).status == "unreadable"
    assert dotfile.read(str(tmp_path / "fifo")).status == "unreadable"
    assert dotfile.read(str(tmp_path / "link")).status == "missing"
    assert not dotfile.is_writable(str(tmp_path / "folder"))
    assert dotfile.is_writable(str(tmp_path / "new" / "telemetry.json"))


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("{}")
    (tmp_path / ".stratus").symlink_to(tmp_path / "real")
    dotfile.refuse(str(tmp_path / ".stratus"), "1.4.0", "2026-11-25")
    assert (tmp_path / ".stratus").is_symlink()
    assert "versions" in (tmp_path / "real").read_text()


def test_a_file_that_cannot_be_read_is_kept_aside(path: str) -> None:
    Path(path).write_text("not json at all")
    dotfile.refuse(path, "1.4.0", "2026-11-25")
    assert Path(path + ".unreadable").read_text() == "not json at all"
    assert dotfile.read(path).answers


def test_a_failed_write_leaves_the_old_answer_and_no_litter(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotfile.refuse(path, "1.4.0", "2026-11-25")
    before = Path(path).read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25")
    assert Path(path).read_bytes() == before
    assert os.listdir(os.path.dirname(path)) == [".stratus"]


WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from askfirst.client import dotfile, lock
from askfirst.contract.loading import load
lock.PATIENCE = 120  # each of 60 answers waits for the disk
contract = load(sys.argv[3])
for number in range(10):
    dotfile.agree(sys.argv[2], f"1.{sys.argv[4]}.{number}", contract, "2026-11-25")
"""


def test_answers_of_many_processes_are_all_kept(path: str, tmp_path: Path) -> None:
    (tmp_path / "telemetry.toml").write_text(GOOD)
    src = str(Path(dotfile.__file__).parents[2])
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, src, path, str(tmp_path / "telemetry.toml"), str(n)]
        )
        for n in range(6)
    ]
    assert [process.wait() for process in processes] == [0] * 6
    assert len(dotfile.read(path).answers) == 60


def test_a_folder_in_its_place_is_the_host_programs(path: str) -> None:
    """Its author has to keep the answers elsewhere; nothing is moved."""
    os.mkdir(path)
    with pytest.raises(IsADirectoryError):
        dotfile.refuse(path, "1.4.0", "2026-11-25")
    assert os.listdir(os.path.dirname(path)) == [".stratus"]


def test_a_failed_write_whose_litter_is_gone(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error that counts is the first."""

    def full(_source: str, _target: str) -> None:
        os.unlink(_source)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        dotfile.refuse(path, "1.4.0", "2026-11-25")


def test_a_yes_that_overrules_takes_back_what_is_not_older(path: str) -> None:
    """The No to an older version still holds there; a Yes to a newer one is left alone."""
    versions = ("0.9.0", "1.3.0", "1.4", "2.0.0", "main", "3.0.0")
    found: dict[str, object] = {name: {"sendTelemetry": name == "3.0.0"} for name in versions}
    Path(path).write_text(json.dumps({"versions": found}))
    dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25")
    assert set(dotfile.read(path).answers) == {*versions, "1.4.0"}, "an answer to the question"
    dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-25", overrule=True)
    assert set(dotfile.read(path).answers) == {"0.9.0", "1.3.0", "1.4.0", "3.0.0"}


def test_what_is_no_answer_is_kept_as_it_is(path: str) -> None:
    Path(path).write_text('{"versions": {"1.0.0": "yes", "1.1.0": {"sendTelemetry": true}}}')
    dotfile.refuse(path, "1.4.0", "2026-11-25")
    versions = json.loads(Path(path).read_text())["versions"]
    assert versions["1.0.0"] == "yes"
    assert versions["1.1.0"] == {"sendTelemetry": False}
