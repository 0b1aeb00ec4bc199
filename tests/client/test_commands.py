"""`<tool> telemetry …`, run in this process: what each command says, does and returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from askfirst import Telemetry
from askfirst.client import commands, dotfile, log, queue, spawn, transport
from askfirst.client.sender import Answer
from askfirst.client.vocabulary import ALIASES, COMMANDS, is_command
from askfirst.contract.event import now_ms
from tests.client.program import PROGRAMS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.receiving import Receiver

TEXT = (PROGRAMS / "telemetry.toml").read_text()
SENT_STAYS = "What was sent goes after 395 days; `erase`, instead of `off`, deletes it too.\n"
NO_HOME = "telemetry: HOME is not a folder of yours, so no answer can be kept; set HOME\n"


class User:
    """Somebody at a tool of theirs that can run its telemetry commands."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self.contract = home / "telemetry.toml"
        self.contract.write_text(TEXT)
        self.dotfile = home / ".tin"
        self.state = home / ".local/state/askfirst/tin"
        self.env = {"HOME": str(home)}
        self._capsys = capsys

    def collected_by(self, receiver: Receiver) -> None:
        """Have the contract itself name a collector."""
        url = receiver.env["ASKFIRST_COLLECTOR"]
        self.contract.write_text(TEXT.replace("http://127.0.0.1:9", url))

    def telemetry(self, version: str = "1.0.0") -> Telemetry:
        return Telemetry(str(self.contract), version, env=self.env)

    def run(self, *words: str, version: str = "1.0.0") -> tuple[int, str, str]:
        """Run a command: what it returns, prints and remarks."""
        code = commands.run(self.telemetry(version), list(words))
        return (code, *self._capsys.readouterr())

    def agree(self) -> None:
        """Say Yes; no delivery is due."""
        assert self.run("on")[0] == 0
        self.state.mkdir(parents=True, exist_ok=True)
        spawn.write_schedule(str(self.state), now_ms() + 3_600_000, 0)

    def record(self, *names: str) -> list[str]:
        """Run commands of the tool; return what then waits."""
        for name in names:
            self.telemetry().record(name)
        return [event.decode() for _, event in queue.waiting(str(self.state))]


@pytest.fixture
def user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> User:
    return User(tmp_path, capsys)


@pytest.fixture
def no_home(user: User) -> User:
    user.env = {"HOME": "nowhere"}
    return user


# -- status -------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("status",), ("--verbose",), ("status", "--verbose")])
def test_status_of_somebody_who_was_not_asked(user: User, words: tuple[str, ...]) -> None:
    code, out, err = user.run(*words)
    assert (code, err) == (0, "")
    assert (
        out
        == f"""\
Telemetry of Tin CLI 1.0.0
  state    off: you have not been asked yet
  answers  {user.dotfile} (does not exist)
  waiting  0 events, 0 bytes
  sent     never
What may be collected, after a Yes:
"""
        + out.partition("after a Yes:\n")[2]
    )
    for name in ("installationId", "cli.command", "application.name", "colour", "size"):
        assert f"\n  {name:<16} " in out
    assert out.endswith("""\
Who asks: Tin Makers, privacy@example.org; https://example.org/tin/telemetry
Change it: tin telemetry on, tin telemetry off
""")
    assert [path.name for path in user.home.iterdir()] == ["telemetry.toml"]


def test_status_after_a_yes_counts_what_waits_and_says_what_failed(user: User) -> None:
    user.agree()
    waiting = user.record("start", "status")
    queue.add_lost(str(user.state), 3)
    log.append(str(user.state), 1_795_417_883_502, "200", [b"{}"])
    spawn.write_schedule(str(user.state), 1_795_417_883_502, 2)
    code, out, err = user.run("status")
    assert (code, err) == (0, "")
    assert (
        f"""\
  state    on: you said Yes
  answers  {user.dotfile}
  waiting  2 events, {sum(map(len, waiting))} bytes; 3 given up
  sent     2026-11-23T07:11:23Z 200
  failing  2 times in a row; not before 2026-11-23 07:11:23 UTC
"""
        in out
    )


def test_status_says_where_nothing_can_be_kept(user: User) -> None:
    user.agree()
    queue.purge(str(user.state))
    (user.home / ".local/state").rmdir()
    (user.home / ".local/state").write_text("a file")
    assert (
        f"  keeping  nothing can be written in {user.state}; events are not kept\n"
        in (user.run("status")[1])
    )


def test_status_says_that_a_version_is_never_recorded(user: User) -> None:
    why = "  version  v1.0.0 is not a released version: its commands are never recorded\n"
    assert why in user.run("status", version="v1.0.0")[1]
    assert "  version  " not in user.run("status")[1]


def test_status_without_a_home(no_home: User) -> None:
    code, out, _ = no_home.run("status")
    assert code == 0
    assert "  state    off: there is no home folder of yours to keep an answer in\nWhat" in out


# -- on, off ------------------------------------------------------------------------------------


def test_on_and_off(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "today", lambda: "2026-11-23")
    assert user.run("on") == (0, "Telemetry of Tin CLI is on. Thank you.\n", "")
    assert dotfile.read(str(user.dotfile)).installation
    assert user.record("start")
    told = (0, "Telemetry of Tin CLI is off. What was unsent is deleted.\n", SENT_STAYS)
    assert user.run("off") == told
    assert user.run("off") == (*told[:2], ""), "nothing more was sent"
    assert not user.state.exists()
    found = json.loads(user.dotfile.read_text())
    assert list(found) == ["versions"]
    assert found["versions"]["1.0.0"] == {
        "sendTelemetry": False,
        "decidedAt": "2026-11-23",
        "revoked": "2026-11-23",
    }


@pytest.mark.parametrize(("off", "on"), [("2.0.0", "1.0.0"), ("1.0", "1.0.0"), ("main", "dev")])
def test_on_overrules_an_off_of_another_version(user: User, off: str, on: str) -> None:
    user.run("on", version="0.9.0")
    assert user.run("off", version=off)[0] == 0
    done = (0, "Telemetry of Tin CLI is on. Thank you.\n", "")
    assert user.run("on", version=on) == done
    assert user.run("status", version=on)[1].splitlines()[1] == "  state    on: you said Yes"


def test_the_spelling_of_the_wolkenkit_cli(user: User) -> None:
    assert user.run("--enable") == user.run("on")
    assert user.run("--disable")[:2] == user.run("off")[:2]


def test_on_says_what_still_forbids_it(user: User) -> None:
    user.env["CI"] = "1"
    said = (
        "Telemetry of Tin CLI is on. Thank you.\n"
        "Still, nothing is sent here: this looks like a CI machine (CI is set).\n"
    )
    assert user.run("on") == (0, said, "")


@pytest.mark.parametrize("word", ["on", "off", "send", "erase"])
def test_what_needs_a_home_says_so(no_home: User, word: str) -> None:
    assert no_home.run(word) == (1, "", NO_HOME)


def broken(user: User) -> tuple[str, str]:
    """A stray comma in the answers of somebody who said Yes; return their UUID and all the text."""
    user.agree()
    uuid = dotfile.read(str(user.dotfile)).installation
    text = user.dotfile.read_text().replace("},", "},,").replace(uuid + '",', uuid + '",,')
    user.dotfile.write_text(text)
    assert dotfile.read(str(user.dotfile)).status == "unreadable"
    return uuid, text


def test_off_with_a_broken_file_leaves_no_identifier(user: User) -> None:
    uuid, text = broken(user)
    code, out, err = user.run("off")
    assert (code, out) == (0, "Telemetry of Tin CLI is off. What was unsent is deleted.\n")
    assert err == f"{user.dotfile} could not be read; it is {user.dotfile}.unreadable now.\n"
    kept = (user.home / ".tin.unreadable").read_text()
    assert kept == text.replace(uuid, "-" * 36)
    assert user.run("status")[1].splitlines()[1] == "  state    off: you turned it off"


def test_off_after_on_with_a_broken_file_leaves_no_identifier(user: User) -> None:
    uuid, text = broken(user)
    code, out, err = user.run("on")
    assert (code, out) == (0, "Telemetry of Tin CLI is on. Thank you.\n")
    assert err == f"{user.dotfile} could not be read; it is {user.dotfile}.unreadable now.\n"
    assert (user.home / ".tin.unreadable").read_text() == text, "its user may mend it, and `erase`"
    assert user.run("off")[::2] == (0, SENT_STAYS)
    assert uuid not in (user.home / ".tin.unreadable").read_text()


def test_off_keeps_a_file_of_the_host_program_as_it_was(user: User) -> None:
    """Its author should have set `state`; its user is told where it is."""
    text = "[device]\nid = 0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1\n"
    user.dotfile.write_text(text)
    assert f"it is {user.dotfile}.unreadable now" in user.run("off")[2]
    assert (user.home / ".tin.unreadable").read_text() == text


def test_erase_with_a_broken_file_says_that_it_cannot(user: User) -> None:
    _, text = broken(user)
    said = f"telemetry: {user.dotfile} cannot be read, so what to erase is unknown; mend it\n"
    assert user.run("erase") == (1, "", said)
    assert user.dotfile.read_text() == text


# -- show, log ----------------------------------------------------------------------------------


@pytest.mark.parametrize("home", ["a home", "none"])
def test_show_before_a_yes_makes_up_an_event(user: User, home: str) -> None:
    if home == "none":
        user.env = {}
    why = {
        "a home": "you have not been asked yet",
        "none": "there is no home folder of yours to keep an answer in",
    }
    code, out, err = user.run("show")
    assert code == 0
    assert err == (
        f"Nothing is sent: {why[home]}. After a Yes, it would look like this.\n"
        "The next event would be:\n"
    )
    event = json.loads(out)
    assert event["cli"] == {"version": "1.0.0", "command": "start"}
    assert len(event["application"]["name"]) == 64
    assert {key: event[key] for key in ("runtime", "colour", "cold", "size")} == {
        "runtime": "1.0.0",
        "colour": "red",
        "cold": True,
        "size": "10 to <100",
    }
    assert not user.dotfile.exists()


def test_show_after_a_yes_prints_what_waits_byte_for_byte(user: User) -> None:
    user.agree()
    waiting = user.record("start", "status")
    code, out, err = user.run("show")
    assert code == 0
    assert err == "2 waiting to be sent to http://127.0.0.1:9:\nThe next event would be:\n"
    *shown, example = out.splitlines()
    assert shown == waiting
    own = json.loads(waiting[0])["installationId"]
    assert json.loads(example)["installationId"] == own, "the next one will be of this installation"


def test_show_of_a_version_under_development(user: User) -> None:
    user.agree()
    why = "1.1.0.dev1 is not a released version: its commands are never recorded.\n"
    assert user.run("show", version="1.1.0.dev1") == (0, "", why)


def test_log_prints_what_was_sent(user: User, receiver: Receiver) -> None:
    assert user.run("log") == (0, "", "Nothing was sent from here.\n")
    user.agree()
    [event] = user.record("start")
    user.env.update(receiver.env)
    assert user.run("send")[0] == 0
    code, out, err = user.run("log")
    assert (code, err) == (0, "")
    assert out.split(" ", 2)[1:] == ["200", event + "\n"]


@pytest.mark.parametrize(
    ("status", "said", "outcome"),
    [(200, b"<html>for sale", "200-not-understood"), (503, b"{}", "503"), (99, b"", "no-answer")],
)
def test_log_tells_what_left_without_being_taken(
    user: User, receiver: Receiver, status: int, said: bytes, outcome: str
) -> None:
    """Whoever has the domain now has the events as well; a closed port has none."""
    user.agree()
    [event] = user.record("start")
    assert user.run("send")[0] == 1
    assert user.run("log") == (0, "", "Nothing was sent from here.\n")
    user.env.update(receiver.env)
    receiver.status, receiver.said = status, said
    assert user.run("send")[0] == 1
    assert user.run("log")[1].split(" ", 2)[1:] == [outcome, event + "\n"]


def test_log_without_a_home(no_home: User) -> None:
    assert no_home.run("log") == (0, "", "Nothing was sent from here.\n")


# -- send, erase --------------------------------------------------------------------------------


def test_send_delivers_now(user: User, receiver: Receiver) -> None:
    user.agree()
    user.env.update(receiver.env)
    assert user.run("send")[:2] == (0, "Nothing was waiting.\n")
    assert receiver.posts == []
    user.record("start")
    code, out, err = user.run("send")
    assert (code, out) == (0, "1 event sent.\n")
    where = receiver.env["ASKFIRST_COLLECTOR"]
    assert err == f'{where} answered 200: {{"accepted":1,"dropped":[]}}\n'
    user.record("start", "status")
    assert user.run("send")[:2] == (0, "2 events sent.\n")
    assert receiver.ids.total() == 3


def test_send_counts_what_was_not_taken(user: User, receiver: Receiver) -> None:
    user.agree()
    user.env.update(receiver.env)
    dropped = [{"id": "1", "reason": "unknown-command"}, {"id": "2", "reason": "unknown-command"}]
    receiver.said = json.dumps({"accepted": 1, "dropped": dropped}).encode()
    user.record("start", "start", "status")
    assert user.run("send")[:2] == (0, "1 event sent; 2 dropped.\n")
    receiver.said, receiver.status = None, 404
    [event] = user.record("start")
    old = event.encode().replace(b'"timestamp":1', b'"timestamp":')  # decades ago
    queue.append(str(user.state), user.telemetry().contract().digest, old)
    code, out, err = user.run("send")
    assert (code, out) == (1, "0 events sent; 1 refused; 1 given up.\n")
    assert err.endswith(' answered 404: {"error":"no"}\n')
    assert user.record() == []


def test_send_without_a_yes(user: User) -> None:
    assert user.run("send") == (1, "", "Nothing is sent: you have not been asked yet.\n")


def test_send_to_a_collector_that_fails(user: User, receiver: Receiver) -> None:
    user.agree()
    user.env.update(receiver.env)
    receiver.status = 503
    waiting = user.record("start")
    code, out, err = user.run("send")
    assert (code, out) == (1, "")
    assert err.endswith(" answered 503; what waits is kept and tried again later\n")
    assert user.record() == waiting


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, in seconds; nobody waits for them."""
    taken: list[float] = []
    monkeypatch.setattr(commands.time, "sleep", taken.append)
    return taken


def test_erase(user: User, receiver: Receiver, pauses: list[float]) -> None:
    user.collected_by(receiver)
    assert user.run("erase") == (
        0,
        "There is nothing to erase: this installation has no identifier.\n",
        SENT_STAYS,
    )
    user.agree()
    [event] = user.record("start")
    code, out, _ = user.run("erase")
    where = receiver.env["ASKFIRST_COLLECTOR"]
    done = f"Everything that {where} collected from here is deleted, and telemetry is off.\n"
    assert (code, out) == (0, done)
    own = json.loads(event)["installationId"]
    assert receiver.posts == [("/v1/erasures", {"tool": "tin", "installationId": own})]
    assert pauses == []
    assert user.run("status")[1].splitlines()[1] == "  state    off: you turned it off"


def test_erase_goes_on_where_the_collector_does_not_confirm_it(
    user: User, receiver: Receiver, pauses: list[float]
) -> None:
    user.agree()
    user.collected_by(receiver)
    receiver.status = 503
    code, out, err = user.run("erase")
    assert (code, out) == (1, "")
    assert err.endswith(
        "Telemetry is off. The collector has not confirmed the erasure yet; it is tried again "
        "whenever tin runs.\n"
    )
    assert pauses == [2.0, 4.0]
    assert len(receiver.posts) == commands.TRIES
    receiver.status = 200
    assert user.run("send")[:2] == (0, "Nothing was waiting.\n"), "`send` goes on with it"
    assert receiver.posts[-1] == receiver.posts[0]
    assert dotfile.read(str(user.dotfile)).erasing == ""


def test_erase_then_on_then_erase_is_off(
    user: User, receiver: Receiver, pauses: list[float]
) -> None:
    """The second Yes goes too, and what the first `erase` could not say is said."""
    user.agree()
    [event] = user.record("start")
    user.collected_by(receiver)
    receiver.status = 503
    assert user.run("erase")[0] == 1
    assert user.run("on")[0] == 0
    receiver.status = 200
    assert user.run("erase")[0] == 0
    assert user.run("status")[1].splitlines()[1] == "  state    off: you turned it off"
    assert not dotfile.read(str(user.dotfile)).installation
    told = {body["installationId"] for _, body in receiver.posts}
    assert told == {json.loads(event)["installationId"]}


def test_erase_waits_for_a_delivery_under_way(
    user: User, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the batch would come after the erasure, under a hash that nobody knows any more."""
    monkeypatch.setattr(commands, "PATIENCE_S", 0)
    order: list[str] = []
    told: list[tuple[int, str, str]] = []

    def post(url: str, _body: bytes) -> Answer:
        kind = url.rpartition("/")[2]
        order.append(kind)
        if kind == "events":
            told.append(user.run("erase"))
            order.append("events are taken")
        return Answer(200, {"accepted": 1, "dropped": [], "erased": 1})

    monkeypatch.setattr(transport, "post", post)
    user.agree()
    user.record("start")
    assert user.run("send")[0] == 1
    assert order == ["events", "events are taken"]
    assert told[0][:2] == (1, "")
    assert "another delivery is running" in told[0][2]
    assert user.run("erase")[0] == 0
    assert order[2:] == ["erasures"]
    assert not user.state.exists()


def test_a_page_in_the_collectors_place_takes_and_confirms_nothing(
    user: User, receiver: Receiver, pauses: list[float]
) -> None:
    user.agree()
    user.collected_by(receiver)
    receiver.said = b"<html>This domain is for sale</html>"
    waiting = user.record("start")
    assert user.run("send")[:2] == (1, "")
    assert user.record() == waiting
    assert user.run("log")[1].split(" ")[1] == "200-not-understood"
    assert user.run("erase")[:2] == (1, "")
    assert dotfile.read(str(user.dotfile)).erasing == json.loads(waiting[0])["installationId"]


def test_what_stands_in_for_the_collector_confirms_no_erasure(
    user: User, receiver: Receiver, pauses: list[float]
) -> None:
    """`askfirst inspect` has nothing to delete, and the collector never heard of it."""
    user.agree()
    user.env.update(receiver.env)
    told = (
        f"{receiver.env['ASKFIRST_COLLECTOR']} answered 200: "
        '{"erased":1}\n'
        "Telemetry is off. http://127.0.0.1:9, not asked while ASKFIRST_COLLECTOR is set, has not "
        "confirmed the erasure yet; it is tried again whenever tin runs.\n"
    )
    assert user.run("erase") == (1, "", told)
    assert pauses == []
    assert spawn.read_schedule(str(user.state))[0] > now_ms(), "not at every run"
    del user.env["ASKFIRST_COLLECTOR"]
    user.collected_by(receiver)
    assert user.run("erase")[0] == 0
    assert receiver.posts[0] == receiver.posts[1]


def test_erase_again_asks_for_the_same(user: User, receiver: Receiver, pauses: list[float]) -> None:
    """What the first try could not say is kept, and said by the second."""
    user.agree()
    user.collected_by(receiver)
    receiver.status = 503
    assert user.run("erase")[0] == 1
    receiver.status = 200
    assert user.run("erase")[0] == 0
    assert {json.dumps(body) for _, body in receiver.posts} == {json.dumps(receiver.posts[0][1])}


# -- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("on", "--help"), ("--help", "nonsense")])
def test_help_does_nothing_else(user: User, words: tuple[str, ...]) -> None:
    code, out, err = user.run(*words)
    assert (code, err) == (0, "")
    first, empty, *rows = out.splitlines()
    assert first == "Usage: tin telemetry [status|on|off|show|log|send|erase] [--verbose]"
    assert empty == ""
    assert [row.split() for row in rows] == [[k, *v.split()] for k, v in COMMANDS.items()]
    assert not user.dotfile.exists()


@pytest.mark.parametrize("words", [("nonsense",), ("on", "off"), ("status", "now")])
def test_what_is_no_command(user: User, words: tuple[str, ...]) -> None:
    remedy = "use status, on, off, show, log, send, erase"
    said = f"telemetry: {' '.join(words)!r} is no command; {remedy}\n"
    assert user.run(*words) == (2, "", said)
    assert not user.dotfile.exists()


def test_verbose_stays_on(user: User) -> None:
    telemetry = user.telemetry()
    commands.run(telemetry, ["status"])
    assert not telemetry.verbose
    commands.run(telemetry, ["--verbose", "status"])
    assert telemetry.verbose
    commands.run(telemetry, ["status"])
    assert telemetry.verbose


def test_a_contract_that_cannot_be_used(user: User) -> None:
    user.contract.write_text("[tool]\nname = 'tin'\n")
    code, out, err = user.run("on")
    assert (code, out) == (1, "")
    assert err.startswith("telemetry: ")
    assert "tool.title" in err


def test_a_file_that_cannot_be_written(user: User) -> None:
    user.dotfile.mkdir()
    why = 'Is a directory; the contract has to set state = "xdg"'
    assert user.run("off") == (1, "", f"telemetry: {user.dotfile}: {why}\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("no file is named"), "a file: no file is named"),
        (OSError(28, "Full"), "a file: Full"),
    ],
)
def test_an_error_that_names_no_file(
    user: User, monkeypatch: pytest.MonkeyPatch, error: OSError, said: str
) -> None:
    def fails(_telemetry: Telemetry) -> int:
        raise error

    monkeypatch.setitem(commands._RUN, "log", fails)
    assert user.run("log") == (1, "", f"telemetry: {said}\n")


def test_a_reader_that_went_away_is_the_host_programs(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_telemetry: Telemetry) -> int:
        raise BrokenPipeError

    monkeypatch.setitem(commands._RUN, "log", fails)
    with pytest.raises(BrokenPipeError):
        user.run("log")


def test_every_command_is_known_to_programs_without_sub_commands() -> None:
    assert set(COMMANDS) == {*commands._RUN, *commands._AT_HOME}
    for word in (*COMMANDS, *ALIASES):
        assert is_command([word])
        assert is_command(["--verbose", word])
        assert not is_command([word, word])
    assert not is_command([])
    assert not is_command(["--verbose"])
    assert not is_command(["nonsense"])
