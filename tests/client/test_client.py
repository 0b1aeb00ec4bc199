"""What is remembered of a Yes, what unmakes it, and that its events are those of the long way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import askfirst
from askfirst import Telemetry, client, usual
from askfirst.client import commands, dotfile, queue, recording, spawn
from askfirst.contract import event as events
from askfirst.contract.event import now_ms
from askfirst.contract.loading import parse
from askfirst.contract.model import Contract, Field
from tests.client.program import PROGRAMS
from tests.collector.serving import wait_until

TEXT = (PROGRAMS / "telemetry.toml").read_text()
CONTRACT = parse(TEXT)
VALUES = {
    "runtime": "3.1.0-rc.1",
    "application.name": "chat ☂",
    "colour": "blue",
    "cold": True,
    "size": 12,
    "nobody.declared": "this",
}
UUID = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"


class User:
    """Somebody who said Yes, of whom one event was recorded; no delivery is due."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.contract = home / "telemetry.toml"
        self.contract.write_text(TEXT)
        self.dotfile = home / ".tin"
        self.state = home / ".local/state/askfirst/tin"
        self.remembered = self.state / usual.REMEMBERED
        self.state.mkdir(parents=True)
        spawn.write_schedule(str(self.state), now_ms() + 3_600_000, 0)
        self.agree()
        self.run()

    def agree(self, version: str = "1.0.0") -> None:
        dotfile.agree(str(self.dotfile), version, parse(self.contract.read_text()), "2026-11-01")

    def telemetry(self, version: str = "1.0.0") -> Telemetry:
        """What a new run of the program would have."""
        return Telemetry(str(self.contract), version, env={"HOME": str(self.home)})

    def run(self, version: str = "1.0.0", command: str = "start") -> None:
        self.telemetry(version).record(command, VALUES)

    def is_usual(self, version: str = "1.0.0") -> bool:
        """Whether a run now would go the usual way."""
        telemetry = self.telemetry(version)
        answers = telemetry.answers()
        assert answers is not None
        return usual.is_agreed(telemetry, answers)

    def queued(self) -> list[bytes]:
        return [event for _, event in queue.waiting(str(self.state))]


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def test_the_second_event_goes_the_usual_way(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    assert user.is_usual()
    assert user.remembered.stat().st_mode & 0o777 == 0o600
    assert UUID[:8] not in user.remembered.read_text()
    monkeypatch.setattr(recording, "record", None)  # the long way is closed
    user.run()
    user.run(command="no command of the contract")
    assert len(user.queued()) == 2


def test_its_events_are_those_of_the_long_way(user: User) -> None:
    """But for id and time they are the same, byte for byte."""
    user.run()
    first, second = (json.loads(event) for event in user.queued())
    for event in (first, second):
        at = event.pop("timestamp")
        assert now_ms() - 60_000 < at <= now_ms()
        assert int(event.pop("id").replace("-", "")[:12], 16) == at
    assert first == second
    assert list(first) == list(second), "in the same order"
    assert first["colour"] == "other"
    assert first["size"] == "10 to <100"
    assert set(first) == {
        *("installationId", "cli", "runtime", "application", "colour", "cold", "size"),
    }


def test_the_identifier_is_in_one_place_only(user: User) -> None:
    """What is remembered says where it is in the dotfile, not what it is."""
    uuid = json.loads(user.dotfile.read_text())["installationId"]
    assert uuid not in user.remembered.read_text()


NAMES = st.lists(
    st.sampled_from(["runtime", "a.b", "a.c", "a.d.e", "a.d.f", "z", "ö", "n.a"]), unique=True
)
PRINTABLE = st.characters(categories=["L", "M", "N", "P", "S"], include_characters=" ")
LABELS = st.lists(st.text(PRINTABLE, min_size=1, max_size=8), min_size=1, max_size=4, unique=True)
BOUNDS = st.lists(
    st.integers(-1000, 1000) | st.floats(-1e6, 1e6, allow_nan=False), min_size=1, unique=True
).map(sorted)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    fields = {}
    for name in draw(NAMES):
        treatment = draw(st.sampled_from(["hash", "version", "choice", "flag", "bucket"]))
        values = tuple(draw(LABELS)) if treatment == "choice" else ()
        buckets = tuple(draw(BOUNDS)) if treatment == "bucket" else ()
        fields[name] = Field(name, treatment, "Why?", values, buckets)
    made = CONTRACT.as_dict()
    plain = Contract.from_dict(made)
    plain.fields = fields
    return plain


GIVEN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("2.0.0")


@settings(deadline=None)
@given(contracts(), st.data())
def test_any_contract_and_any_values_come_out_as_by_the_one_function(
    contract: Contract, data: st.DataObject
) -> None:
    """`contract.event.form` says what an event is; values that it refuses are left out."""
    raw = {
        name: data.draw(GIVEN | st.sampled_from([*f.values, 1]))
        for name, f in contract.fields.items()
    }
    fitting = {}
    for name, value in raw.items():
        try:
            events.treat(contract.fields[name], value, UUID)
        except events.MalformedError:
            continue
        fitting[name] = value
    formed = events.form(
        contract,
        command="start",
        version="1.0.0",
        installation=UUID,
        values=fitting,
        id="x",
        timestamp=1,
    )
    rows = client.compile_fields(contract)
    assert usual.treated(rows, raw, UUID) == formed.fields
    assert list(usual.treated(rows, raw, UUID)) == list(formed.fields)


def test_labels_and_bounds_are_remembered_as_they_are() -> None:
    labels = ("dark red", "", " ", "-1", "ö")
    fields = {
        "colour": Field("colour", "choice", "Which?", labels),
        "size": Field("size", "bucket", "How large?", (), (-10, -0.5, 0, 1e300)),
    }
    made = Contract.from_dict(CONTRACT.as_dict())
    made.fields = fields
    rows = client.compile_fields(made)
    for label in labels:
        assert usual.treated(rows, {"colour": label}, UUID) == {"colour": label}
    for size, label in [
        (-11, "<-10"),
        (-10, "-10 to <-0.5"),
        (0, "0 to <1e+300"),
        (2e300, ">=1e+300"),
    ]:
        assert usual.treated(rows, {"size": size}, UUID) == {"size": label}


# -- what unmakes it ----------------------------------------------------------------------------


def test_a_dotfile_with_one_other_byte(user: User) -> None:
    raw = user.dotfile.read_bytes()
    stat = user.dotfile.stat()
    user.dotfile.write_bytes(raw.replace(b"2026-11-01", b"2026-11-02"))
    os.utime(user.dotfile, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not user.is_usual()
    user.dotfile.write_bytes(raw)
    assert user.is_usual()


def test_a_contract_changed_without_a_trace(user: User) -> None:
    """The same size and the same date, as installers leave it: another file all the same."""
    stat = user.contract.stat()

    def change() -> bool:
        user.contract.write_text(TEXT.replace("395", "396"))
        os.utime(user.contract, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return user.contract.stat().st_ctime_ns != stat.st_ctime_ns

    wait_until(change)  # a file system's clock may tick every few ms only
    now = user.contract.stat()
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (
        *(stat.st_size, stat.st_mtime_ns),
        stat.st_ino,
    )
    assert not user.is_usual()
    user.run()
    assert len(user.queued()) == 1, "it keeps longer than was agreed to, so it is No"


def test_a_wider_contract_records_nothing(user: User) -> None:
    user.contract.write_text(TEXT + '\n[fields.more]\ntreatment = "flag"\npurpose = "More?"\n')
    user.run()
    assert len(user.queued()) == 1
    assert not user.is_usual()
    user.agree()
    user.run()
    assert len(user.queued()) == 2
    assert user.is_usual()


def test_another_version_of_the_tool(user: User) -> None:
    assert not user.is_usual("1.1.0")
    user.run("1.1.0")
    assert user.is_usual("1.1.0")
    assert json.loads(user.queued()[-1])["cli"]["version"] == "1.1.0"


def test_another_version_of_this_package(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual, "__version__", askfirst.__version__ + ".1")
    assert not user.is_usual()


def test_off_deletes_it_and_a_copy_put_back_counts_for_nothing(user: User) -> None:
    raw = user.remembered.read_bytes()
    assert commands.run(user.telemetry(), ["off"]) == 0
    assert not user.state.exists()
    user.run()
    assert not user.state.exists()
    user.state.mkdir(parents=True)
    user.remembered.write_bytes(raw)
    user.run()
    user.agree()  # anew, so with another identifier
    assert not user.is_usual()
    assert user.queued() == []


def test_a_byte_changed_anywhere(user: User) -> None:
    raw = user.remembered.read_bytes()
    for at in range(len(raw)):
        user.remembered.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        assert not user.is_usual(), at
    for cut in range(len(raw)):
        user.remembered.write_bytes(raw[:cut])
        assert not user.is_usual(), cut


def test_another_users_answers(user: User, tmp_path: Path) -> None:
    """What was remembered of one Yes does not hold for another of the same contract."""
    other = User(tmp_path / "other" if (tmp_path / "other").mkdir() is None else tmp_path)
    user.remembered.write_bytes(other.remembered.read_bytes())
    assert not user.is_usual()


def test_a_version_that_is_not_released_is_not_remembered(user: User) -> None:
    user.remembered.unlink()
    user.run("1.1.0.dev3")
    assert not user.remembered.exists()
    assert len(user.queued()) == 1


def test_an_identifier_that_is_spelled_otherwise_is_not_remembered(user: User) -> None:
    """Where the dotfile's text does not have it as it is, every run reads the dotfile as JSON."""
    uuid = json.loads(user.dotfile.read_text())["installationId"]
    user.dotfile.write_text(user.dotfile.read_text().replace(uuid, uuid.replace("-", "\\u002d")))
    user.run()
    assert not user.is_usual()
    one, other = (json.loads(event)["installationId"] for event in user.queued())
    assert one == other


@pytest.mark.parametrize("name", ["CI", "DO_NOT_TRACK", "ASKFIRST_TELEMETRY", "TIN_TELEMETRY"])
def test_the_environment_still_wins(user: User, name: str) -> None:
    telemetry = user.telemetry()
    telemetry.env = {**telemetry.env, name: "no" if name.endswith("_TELEMETRY") else "1"}
    telemetry.record("start")
    assert len(user.queued()) == 1


# -- the queue ----------------------------------------------------------------------------------

WRITER = """
import sys
sys.path.append(sys.argv[1])
from askfirst import usual
from askfirst.client import queue
folder, writer = sys.argv[2], int(sys.argv[3])
added = 0
for n in range(500):
    event = b'{"id":"%08d"}' % (writer * 1000 + n)
    if usual.add(folder, usual.as_line("sha256:" + "ab" * 32, event)):
        added += 1
    else:
        queue.append(folder, "sha256:" + "ab" * 32, event)
print(added)
"""


def test_no_line_is_lost_or_torn_beside_other_writers_and_a_sender(tmp_path: Path) -> None:
    folder = str(tmp_path / "state")
    src = str(Path(askfirst.__file__).parents[1])
    writers = [
        subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WRITER, src, folder, str(n)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    taken: list[int] = []
    try:
        while any(writer.poll() is None for writer in writers):
            take(folder, taken)
        counts = [int(writer.communicate()[0]) for writer in writers]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    while take(folder, taken):
        pass
    assert sorted(taken) == sorted(n * 1000 + i for n in range(4) for i in range(500))
    assert sum(counts) > 0, "some were added in the usual way"
    assert queue.lost(folder) == 0


def take(folder: str, taken: list[int]) -> bool:
    """Take what waits, as a sender does."""
    if not os.path.isdir(folder) or not queue.take(folder):
        return False
    path = os.path.join(folder, queue.SENDING)
    rows, torn = queue.lines(path)
    assert torn == 0
    taken += [int(event[7:15]) for _, event in rows]
    os.unlink(path)
    return True


def test_a_line_that_does_not_fit_is_taken_back_whole(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = user.state / "queue"
    before = path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:5]))
    assert not usual.add(str(user.state), b"\n0123456789\n")
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", ["missing folder", "folder", "full", "locked", "replaced"])
def test_what_is_not_plainly_possible_is_left_to_the_queue(
    user: User, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    path = user.state / "queue"
    folder = str(user.state)
    holder = path.open("rb")
    if kind == "missing folder":
        folder += "/none"
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    elif kind == "full":
        path.write_bytes(b"x" * (usual.MOST_QUEUED + 1))
    elif kind == "locked":
        fcntl.flock(holder, fcntl.LOCK_EX)
    else:
        flock = fcntl.flock

        def taken(fd: int, how: int) -> None:
            """Lock it, when a sender has just taken it."""
            path.rename(user.state / "sending")
            path.touch()
            flock(fd, how)

        monkeypatch.setattr(fcntl, "flock", taken)
    assert not usual.add(folder, b"\nevent\n")
    holder.close()
    assert not any(b"event" in p.read_bytes() for p in user.state.iterdir() if p.is_file())


def test_an_event_that_finds_the_queue_held_is_kept(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(recording, "record", None)  # the long way is closed
    with (user.state / "queue").open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        user.run()
    assert len(user.queued()) == 2


def test_an_off_in_the_last_moment_is_not_undone(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The queue is not made anew by a run that had read the Yes before."""
    add = usual.add

    def off_first(folder: str, line: bytes) -> bool:
        assert commands.run(user.telemetry(), ["off"]) == 0
        return add(folder, line)

    monkeypatch.setattr(usual, "add", off_first)
    user.run()
    assert not user.state.exists()


def test_when_a_delivery_is_due() -> None:
    assert usual.is_due(b"", 1_000)
    assert usual.is_due(b"garbage", 1_000)
    assert usual.is_due(b"%020d 000000\n" % 1_000, 1_000)
    assert not usual.is_due(b"%020d 000003\n" % 1_001, 1_000)
    assert not usual.is_due(b"%020d 000000\n" % (1_000 + usual.LONGEST_PAUSE_MS), 1_000)
    assert usual.is_due(b"%020d 000000\n" % (1_001 + usual.LONGEST_PAUSE_MS), 1_000)


def test_a_queue_that_a_sender_took_is_made_anew_in_private(user: User) -> None:
    path = user.state / usual.QUEUE
    path.unlink()
    assert usual.add(str(user.state), b"\nevent\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == b"\nevent\n"


# -- where there is no room ---------------------------------------------------------------------


@pytest.mark.parametrize("litter", ["kept", "gone"])
def test_what_cannot_be_remembered_costs_the_time_only(
    user: User, monkeypatch: pytest.MonkeyPatch, litter: str
) -> None:
    user.remembered.unlink()
    replace = os.replace

    def full(source: str, target: str) -> None:
        if target != str(user.remembered):
            return replace(source, target)
        if litter == "gone":
            os.unlink(source)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    user.run()
    assert len(user.queued()) == 2
    assert not [path for path in user.state.iterdir() if path.name.startswith("remembered")]


def test_without_a_home_of_its_own_a_yes_is_not_there(user: User) -> None:
    telemetry = user.telemetry()
    answers = telemetry.answers()
    assert answers
    telemetry.env = {}
    assert not usual.is_agreed(telemetry, answers)
    assert not usual.record(telemetry, answers, "start", {})


# -- places -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "env", "dotfile_at", "folder_at"),
    [
        ("home", {}, ".tin", ".local/state"),
        ("xdg", {}, ".config/tin/telemetry.json", ".local/state"),
        ("home", {"XDG_CONFIG_HOME": "{home}/c"}, ".tin", ".local/state"),
        ("xdg", {"XDG_CONFIG_HOME": "{home}/c"}, "c/tin/telemetry.json", ".local/state"),
        ("xdg", {"XDG_CONFIG_HOME": "c"}, ".config/tin/telemetry.json", ".local/state"),
        ("home", {"XDG_STATE_HOME": "{home}/s"}, ".tin", "s"),
        ("home", {"XDG_STATE_HOME": "s"}, ".tin", ".local/state"),
        ("home", {"XDG_STATE_HOME": ""}, ".tin", ".local/state"),
    ],
)
def test_where_files_are(
    tmp_path: Path, state: str, env: dict[str, str], dotfile_at: str, folder_at: str
) -> None:
    given = {name: value.format(home=tmp_path) for name, value in env.items()}
    places = client.find("tin", state, {"HOME": str(tmp_path), **given})
    assert places is not None
    assert places.dotfile == str(tmp_path / dotfile_at)
    assert places.folder == str(tmp_path / folder_at / "askfirst" / "tin")


@pytest.mark.parametrize("home", [None, "", "somewhere", "~", "/nowhere/at/all"])
def test_a_home_that_is_none(home: str | None) -> None:
    env = {} if home is None else {"HOME": home}
    assert client.find("tin", "home", env) is None


def test_the_home_and_the_folder_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under sudo: nothing of ours is left there."""
    (tmp_path / "s").mkdir()
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "s")}
    places = client.find("tin", "home", env)
    assert places is not None
    assert places.folder == str(tmp_path / "s/askfirst/tin")
    stat = os.stat

    def of_another(path: str) -> os.stat_result:
        found = list(stat(path))
        if path == theirs:
            found[4] += 1
        return os.stat_result(found)

    monkeypatch.setattr(os, "stat", of_another)
    theirs = str(tmp_path / "s")
    places = client.find("tin", "home", env)
    assert places is not None
    assert places.folder == str(tmp_path / ".local/state/askfirst/tin")
    theirs = str(tmp_path)
    assert client.find("tin", "home", env) is None
