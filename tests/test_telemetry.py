"""`askfirst.client` itself: Telemetry, and what it sees before anything else is imported."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from askfirst import MOST_ANSWERS, MOST_HEAD, Telemetry, absolute, is_no_to, may_be_yes, peek
from askfirst.client import dotfile
from askfirst.contract.loading import parse
from askfirst.contract.model import ContractError
from askfirst.usual import identify
from tests.contract.test_loading import GOOD

CONTRACT = parse(GOOD)


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
        ('[tool]\nname = "x"\nnames = "y"\nstates = "xdg"', ("x", "home")),
        ("", None),
        ('[tool]\nname = "x"\n"state" = "xdg"', None),
        ('[tool]\nname = "x"\n\'state\' = "xdg"', None),
        ('[tool]\nname = "x"\n  "st\\u0061te"="xdg"', None),
        ('[tool]\nlist = [\n"a",\n]\nname = "x"\nstate = "xdg"', ("x", "xdg")),
    ],
)
def test_peeking_never_sees_anything_but_the_truth(text: str, seen: object) -> None:
    assert peek(text) == seen


def telemetry(home: Path, text: str = GOOD) -> Telemetry:
    file = home / "telemetry.toml"
    file.write_text(text)
    return Telemetry(str(file), "1.4.0", env={"HOME": str(home)})


def test_a_quoted_key_leads_to_the_same_place(tmp_path: Path) -> None:
    """Else answers would go to the file in the home that the author wanted left alone."""
    quoted = telemetry(tmp_path, GOOD.replace("[tool]", '[tool]\n"state" = "xdg"'))
    assert quoted.name_and_state() == ("stratus", quoted.contract().state) == ("stratus", "xdg")


@pytest.mark.parametrize("version", [None, 7, ""])
def test_a_version_that_is_none(tmp_path: Path, version: Any) -> None:
    """As where a package's metadata is missing on a user's machine: it is no release, no more."""
    file = tmp_path / "telemetry.toml"
    file.write_text(GOOD)
    made = Telemetry.from_contract(file, version, strict=False)
    made.env = {"HOME": str(tmp_path)}
    made.ask()
    made.record("init")
    assert made.run_command(["status"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["telemetry.toml"]


PAD = "# " + "x" * MOST_HEAD + "\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD + PAD,
        PAD + GOOD,
        GOOD.replace(
            "[tool]", '[fields.first]\ntreatment = "flag"\npurpose = "Is it?"\n[tool]'
        ).replace('contact = "privacy@example.org"', f'{PAD}contact = "privacy@example.org"'),
        GOOD.replace('state = "home"\n', "").replace(
            'contact = "', PAD + 'state = "xdg"\ncontact = "'
        ),
    ],
    ids=["after", "before", "in [tool]", "before state"],
)
def test_a_long_contract_is_seen_as_it_is(tmp_path: Path, text: str) -> None:
    """Where the first part of the file does not hold all of [tool], the whole is read."""
    whole = parse(text)
    assert telemetry(tmp_path, text).name_and_state() == (whole.name, whole.state)


def test_a_contract_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"none\.toml: cannot be read"):
        Telemetry(str(tmp_path / "none.toml"), "1.4.0").name_and_state()
    with pytest.raises(ContractError, match="cannot be read"):
        Telemetry(str(tmp_path), "1.4.0").name_and_state()


class Loader:
    """Reads from an archive, as the loader of a module in it does."""

    def get_data(self, _path: str) -> bytes:
        return GOOD.encode()


def test_a_contract_in_an_archive_is_seen_without_parsing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a changed archive is another contract."""
    monkeypatch.setattr("askfirst.contract.loading.parse", None)
    archive = tmp_path / "app.pyz"
    archive.write_bytes(b"PK")

    def seen() -> tuple[object, ...]:
        made = Telemetry(str(archive / "app" / "telemetry.toml"), "1.4.0", loader=Loader())
        assert made.name_and_state() == ("stratus", "home")
        return identify(made)

    first = seen()
    assert seen() == first
    archive.write_bytes(b"PK2")
    assert seen() != first


def test_the_answers_are_the_dotfile_as_it_is(tmp_path: Path) -> None:
    made = telemetry(tmp_path)
    assert made.answers() == b""
    path = tmp_path / ".stratus"
    path.write_bytes(b"whatever")
    assert made.answers() == b"whatever"
    path.write_bytes(b"x" * (MOST_ANSWERS + 1))
    assert made.answers() is None, "more than anybody's answers: to be decided about"
    path.unlink()
    path.mkdir()
    assert made.answers() is None


@pytest.mark.parametrize(("value", "answers"), [("log", None), ("Log", None), ("on", b"")])
def test_an_event_to_be_printed_is_to_be_decided_about(
    tmp_path: Path, value: str, answers: object
) -> None:
    made = telemetry(tmp_path)
    made.env = {"HOME": str(tmp_path), "STRATUS_TELEMETRY": value}
    assert made.answers() == answers


def test_answers_elsewhere_are_found(tmp_path: Path) -> None:
    made = telemetry(tmp_path, GOOD.replace("[tool]", '[tool]\nstate = "xdg"'))
    places = made.places()
    assert places is not None
    dotfile.agree(places.dotfile, "1.4.0", CONTRACT, "2026-11-01")
    assert made.answers() == Path(places.dotfile).read_bytes()
    made.env = {"HOME": "somewhere"}
    assert made.answers() == b"", "no home, no answers"


def test_a_yes_or_an_erasure_is_never_overlooked(tmp_path: Path) -> None:
    path = str(tmp_path / ".stratus")
    dotfile.agree(path, "1.4.0", CONTRACT, "2026-11-01")
    assert may_be_yes(Path(path).read_bytes())
    found = dotfile.refuse(path, "1.4.0", "2026-11-02", revoked=True, erasing=True)
    assert may_be_yes(Path(path).read_bytes())
    dotfile.erased(path, found.erasing)
    assert not may_be_yes(Path(path).read_bytes())
    assert not may_be_yes(b"")


def test_a_no_to_this_version_needs_no_decision(tmp_path: Path) -> None:
    path = tmp_path / ".stratus"
    dotfile.refuse(str(path), "1.4.0", "2026-11-02")
    assert is_no_to(path.read_bytes(), "1.4.0")
    assert not is_no_to(path.read_bytes(), "1.4.1"), "it may have to be asked again"
    assert not is_no_to(path.read_bytes(), "4.0")
    assert is_no_to(b'{"versions":{"3.1.2":{"sendTelemetry":false}}}', "3.1.2")
    dotfile.agree(str(path), "1.4.1", CONTRACT, "2026-11-03")
    assert not is_no_to(path.read_bytes(), "1.4.0")
    quoted = json.dumps({"note": '"1.4.0":{"sendTelemetry":false'}).encode()
    assert not is_no_to(quoted, "1.4.0"), "said in a text, which is not an answer"
    assert not is_no_to(b"", "1.4.0")


def test_a_frozen_program_that_was_started_as_a_sender_becomes_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before any line of its author's that comes after."""

    class Became(BaseException):
        """The sender, which never returns."""

    def main() -> None:
        raise Became

    monkeypatch.setattr("askfirst.client.sender.main", main)
    monkeypatch.setenv("ASKFIRST_SENDER", "{}")
    assert Telemetry.from_contract("x.toml", "1.0.0").version == "1.0.0"
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(Became):
        Telemetry.from_contract("x.toml", "1.0.0")
    monkeypatch.delenv("ASKFIRST_SENDER")
    assert Telemetry.from_contract("x.toml", "1.0.0").version == "1.0.0"


def test_what_comes_back_in_a_fork_is_not_recorded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    made = telemetry(tmp_path)
    monkeypatch.setattr(made, "_record", lambda command, _values: seen.append(command))
    made.record_if_declared("before")
    made.ask()
    made.record_if_declared("same")
    monkeypatch.setattr(os, "getpid", lambda: 1)
    made.record_if_declared("fork")
    assert seen == ["before", "same"]


def test_where_the_current_folder_is_deleted_a_path_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone() -> str:
        raise FileNotFoundError

    assert absolute("a") == os.path.join(os.getcwd(), "a")
    monkeypatch.setattr(os, "getcwd", gone)
    assert absolute("a") == "a"
    assert absolute("/a") == "/a"
