"""Homes as hosts have them: none, somebody else's, full, read-only, without locks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from askfirst.client import dotfile, queue
from tests.client.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.client.receiving import Receiver

NOBODY = 65_534
# the switch comes after the imports: another user may not read where Python is installed
AS_NOBODY = f"""
import fcntl, json, askfirst.client.recording, askfirst.client.commands
from askfirst.contract.loading import load
load(os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "telemetry.toml"))
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
"""
LOAD = "import askfirst.client.transport; ''.encode('idna')"
NO_LOCKS = """
import fcntl
def flock(fd, how): raise OSError(37, "No locks available")
fcntl.flock = flock
"""
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount and to switch users")


@pytest.fixture
def disk(tool: Tool, tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KB for the home of a tool."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)
    yield folder
    tool.settle()  # a sender would keep the disk busy
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def theirs() -> Iterator[Tool]:
    """A tool in a folder that every user can read."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    tool = Tool(folder)
    tool.agree()
    yield tool
    tool.close()
    shutil.rmtree(folder)


def move_in(tool: Tool, home: Path) -> None:
    """Give a tool another home, with a Yes in it."""
    tool.home = home
    tool.dotfile = home / ".tin"
    tool.env["HOME"] = str(home)
    dotfile.agree(str(tool.dotfile), "1.0.0", tool.contract(), "2026-11-01")


def fill(disk: Path) -> Path:
    """Leave no room on a disk."""
    path = disk / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 512):
                pass
        except OSError:
            return path
    raise AssertionError("the disk has no end")


@pytest.mark.parametrize("home", [None, "", "relative", ".", "~", "/does/not/exist", "/dev/null"])
def test_no_home(tool: Tool, home: str | None, tmp_path: Path) -> None:
    """Nothing is written anywhere, and `telemetry` says why."""
    here = tmp_path / "here"
    (here / "relative").mkdir(parents=True)
    tool.start(HOME=home, cwd=here)
    assert [str(path.relative_to(here)) for path in here.rglob("*")] == ["relative"]
    assert "  state    off" in tool.run("telemetry", HOME=home, cwd=here).stdout
    done = tool.run("telemetry", "on", HOME=home, cwd=here)
    assert done.returncode == 1
    assert done.stderr.startswith("telemetry: ")


@as_root
def test_another_users_home(theirs: Tool) -> None:
    """As under sudo: their answer is not ours, and nothing of ours is left in their home."""
    os.chown(theirs.home, NOBODY, NOBODY)
    before = theirs.files()
    theirs.start()
    assert "there is no home folder of yours" in theirs.run("telemetry").stdout
    assert theirs.files() == before


@pytest.mark.parametrize("name", ["with space", 'quo"te', "line\nfeed", "ümlaut", b"\xff\xfe"])
def test_homes_with_odd_names(
    tool: Tool, receiver: Receiver, tmp_path: Path, name: str | bytes
) -> None:
    home = tmp_path / os.fsdecode(name)
    home.mkdir()
    move_in(tool, home)
    tool.start(**receiver.env)
    receiver.wait()
    tool.settle()
    assert len(receiver.ids) == 1


@pytest.mark.needs("localedef")
@pytest.mark.parametrize("utf8", ["0", "1"])
def test_homes_in_another_encoding(
    tool: Tool, receiver: Receiver, tmp_path: Path, latin_1: dict[str, str], utf8: str
) -> None:
    """The sender finds the answer, though it may not decode paths as the host does."""
    home = tmp_path / "jörg"
    home.mkdir()
    move_in(tool, home)
    tool.env.update(receiver.env, **latin_1, PYTHONUTF8=utf8)
    tool.env["XDG_STATE_HOME"] = str(tmp_path / "state")
    tool.start()
    receiver.wait()
    tool.settle()
    assert len(receiver.ids) == 1


@as_root
def test_a_read_only_home(tool: Tool, disk: Path) -> None:
    """A Yes cannot be acted on; `status` says so, and nothing is asked that cannot be kept."""
    move_in(tool, disk)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    tool.start()
    done = tool.run("telemetry")
    assert done.returncode == 0
    assert "nothing can be written in" in done.stdout
    assert tool.run("telemetry", "off").stderr.endswith("Read-only file system\n")
    assert tool.files() == [".tin"]
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    tool.start()
    assert len(tool.queued()) == 1


@as_root
@pytest.mark.parametrize("mode", [0o500, 0o400, 0o000])
def test_a_home_without_permission(theirs: Tool, mode: int) -> None:
    shutil.rmtree(theirs.home / ".local")
    for path in (theirs.home, theirs.dotfile):
        os.chown(path, NOBODY, NOBODY)
    theirs.home.chmod(mode)
    theirs.start(BEFORE=AS_NOBODY)
    assert theirs.files() == [".tin"]
    done = theirs.run("telemetry", "on", BEFORE=AS_NOBODY)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    theirs.home.chmod(0o700)
    theirs.start(BEFORE=AS_NOBODY)
    assert len(theirs.queued()) == 1


@as_root
def test_a_full_disk(tool: Tool, disk: Path) -> None:
    """What has no room is counted; when there is room again, recording goes on by itself."""
    move_in(tool, disk)
    tool.start()
    tool.settle()
    tool.not_due()
    filling = fill(disk)
    before = set(tool.files())
    for _ in range(15):
        tool.start()
    kept = len(tool.queued())
    assert queue.lost(str(tool.state)) == 16 - kept > 0
    assert set(tool.files()) - before <= {".local/state/askfirst/tin/queue"}, "nothing else is left"
    assert f"{16 - kept} given up" in tool.run("telemetry").stdout
    filling.unlink()
    tool.start()
    assert len(tool.ids()) == kept + 1


@as_root
def test_a_disk_that_was_full_from_the_start(tool: Tool, disk: Path) -> None:
    move_in(tool, disk)
    filling = fill(disk)
    tool.start()
    tool.start()
    filling.unlink()
    tool.start()
    assert len(tool.queued()) == 1


@as_root
def test_delivery_from_a_full_disk(tool: Tool, disk: Path, receiver: Receiver) -> None:
    """It needs no room, and makes some; more than one batch, so that it would have to write."""
    move_in(tool, disk)
    tool.start()
    row = queue.waiting(str(tool.state))[0]
    identifier = row[1][7:43]
    for number in range(300):
        queue.append(
            str(tool.state),
            row[0],
            row[1].replace(identifier, b"%s%03d" % (identifier[:33], number)),
        )
    tool.settle()
    tool.not_due()
    fill(disk)
    tool.delivers(receiver)
    assert len(receiver.ids) == receiver.ids.total() == 301
    assert tool.queued() == []
    tool.start()
    assert len(tool.queued()) == 1


def test_a_limit_on_file_sizes(tool: Tool) -> None:
    """As `ulimit -f` sets it: what does not fit is taken back whole, and counted."""
    tool.start()
    size = (tool.state / "queue").stat().st_size
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 100},) * 2)"
    tool.start(BEFORE=limit)
    assert (tool.state / "queue").stat().st_size == size
    assert queue.lost(str(tool.state)) == 1
    tool.start()
    assert len(tool.ids()) == 2


def test_a_home_without_locks(tool: Tool, receiver: Receiver) -> None:
    """Each event gets a file of its own, and a delivery holds a file instead of a lock."""
    tool.env["BEFORE"] = NO_LOCKS
    for _ in range(3):
        tool.start()
    assert len(tool.ids()) == 3
    tool.delivers(receiver)
    assert len(receiver.ids) == receiver.ids.total() == 3
    assert not any("mark" in name for name in tool.files())
    assert tool.run("telemetry", "off").returncode == 0
    assert tool.kept() == [".tin"]


@pytest.mark.needs("strace")
def test_a_sender_without_locks(tool: Tool, receiver: Receiver) -> None:
    """The same where the kernel says so to every process."""
    tool.due()
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=flock:error=ENOLCK"]
    for _ in range(3):
        tool.start(before=strace, EVERY="0", **receiver.env)  # ends when the sender has
    assert len(receiver.ids) == receiver.ids.total() == 3


def test_what_waited_before_the_locks_went(tool: Tool, receiver: Receiver) -> None:
    tool.start()
    tool.env["BEFORE"] = NO_LOCKS
    tool.start()
    tool.delivers(receiver)
    assert len(receiver.ids) == 2


def test_a_delivery_that_died_without_locks(tool: Tool, receiver: Receiver) -> None:
    """The file it held counts for two minutes, not for ever."""
    tool.start()
    mark = tool.state / "sender.mark"
    mark.touch()
    os.utime(mark, (1_000_000_000, 1_000_000_000))
    tool.env["BEFORE"] = NO_LOCKS
    tool.delivers(receiver)
    assert len(receiver.ids) == 1


@pytest.mark.parametrize(
    ("value", "used"),
    [
        ("", ".local/state"),
        ("relative", ".local/state"),
        ("~/state", ".local/state"),
        ("{home}/deep/er", "deep/er"),
        ("{home}/with space/", "with space"),
        ("{home}/a/../b", "b"),
        ("{home}/.tin", None),
        ("/dev/null", None),
        ("/proc", None),
    ],
)
@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "XDG_CONFIG_HOME"])
def test_odd_xdg_folders(
    tool: Tool, tmp_path: Path, variable: str, value: str, used: str | None
) -> None:
    """Absolute paths are used, anything else is as if not set, and a useless one costs no run."""
    here = tmp_path / "here"
    (here / "relative").mkdir(parents=True)
    env = {variable: value.format(home=tool.home)}
    if variable == "XDG_CONFIG_HOME":
        tool.declare('name = "tin"', 'name = "tin"\nstate = "xdg"')
        on = tool.run("telemetry", "on", cwd=here, **env)
        assert (on.returncode == 0) == (used is not None)
        place = (used or ".config").replace(".local/state", ".config")
        assert (tool.home / place / "tin/telemetry.json").exists() == (used is not None)
    tool.start(cwd=here, **env)
    if variable == "XDG_STATE_HOME" and used is not None:
        tool.settle()
        assert len(queue.waiting(str(tool.home / used / "askfirst/tin"))) == 1
    assert [path.name for path in here.rglob("*")] == ["relative"]


@as_root
def test_another_users_state_folder(tool: Tool, tmp_path: Path) -> None:
    """As under `sudo -E`: nothing of ours is left in it."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, NOBODY, NOBODY)
    tool.start(XDG_STATE_HOME=str(theirs))
    assert list(theirs.iterdir()) == []
    assert len(tool.queued()) == 1


@as_root
@pytest.mark.parametrize("made", [True, False], ids=["there", "not yet"])
@pytest.mark.parametrize("variable", ["XDG_STATE_HOME", "XDG_CONFIG_HOME"])
def test_another_users_xdg_folders(tool: Tool, tmp_path: Path, variable: str, made: bool) -> None:
    """As after `su`: none of their folders gets one of ours, and our own answer counts."""
    theirs = tmp_path / "theirs"
    (theirs / "xdg" if made else theirs).mkdir(parents=True)
    for path in (theirs, *theirs.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    before = list(theirs.rglob("*"))
    tool.declare('name = "tin"', 'name = "tin"\nstate = "xdg"')
    tool.env[variable] = str(theirs / "xdg")
    assert tool.run("telemetry", "on").returncode == 0
    assert (tool.home / ".config/tin/telemetry.json").exists()
    tool.start()
    assert list(theirs.rglob("*")) == before
    assert len(tool.queued()) == 1


@pytest.mark.parametrize("word", ["off", "erase"])
def test_off_in_a_shell_with_another_state_folder(
    tool: Tool, receiver: Receiver, word: str
) -> None:
    """What an ordinary shell recorded is deleted too."""
    tool.declare("http://127.0.0.1:9", receiver.env["ASKFIRST_COLLECTOR"])
    tool.start()
    assert len(tool.queued()) == 1
    tool.env["XDG_STATE_HOME"] = str(tool.home / "other")
    tool.start()
    tool.settle()
    assert tool.run("telemetry", word).returncode == 0
    assert tool.kept() == [".tin"]


@as_root
def test_xdg_folders_behind_another_users_door(theirs: Tool, tmp_path: Path) -> None:
    """What may not even be looked at is another's; what would be made in /tmp is our own."""
    theirs.declare('name = "tin"', 'name = "tin"\nstate = "xdg"')
    shutil.rmtree(theirs.home / ".local")
    os.chown(theirs.home, NOBODY, NOBODY)
    tmp_path.chmod(0o700)
    theirs.env["XDG_CONFIG_HOME"] = str(tmp_path / "config")
    with tempfile.TemporaryDirectory() as shared:
        Path(shared).chmod(0o1777)
        theirs.env["XDG_STATE_HOME"] = f"{shared}/made/by/us"
        assert theirs.run("telemetry", "on", BEFORE=AS_NOBODY).returncode == 0
        assert (theirs.home / ".config/tin/telemetry.json").exists()
        theirs.start(BEFORE=AS_NOBODY)
        theirs.settle()
        assert len(queue.waiting(f"{shared}/made/by/us/askfirst/tin")) == 1


def test_folders_are_private_whatever_the_umask(tool: Tool) -> None:
    shutil.rmtree(tool.home / ".local")
    tool.start(BEFORE="os.umask(0)")
    tool.settle()
    for path in tool.home.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@as_root
@pytest.mark.parametrize("umask", ["0o177", "0o777"])
def test_folders_are_of_use_whatever_the_umask(
    theirs: Tool, receiver: Receiver, umask: str
) -> None:
    """For this user who is not root; other programs have to use ~/.local as well."""
    shutil.rmtree(theirs.home / ".local")
    theirs.dotfile.unlink()
    os.chown(theirs.home, NOBODY, NOBODY)
    theirs.env.update(receiver.env, BEFORE=f"{LOAD}{AS_NOBODY}os.umask({umask})")
    assert theirs.run("telemetry", "on").returncode == 0
    for _ in range(3):  # the second delivery makes the queue anew
        theirs.start()
        theirs.delivers(receiver)
    assert len(receiver.ids) == 3
    for path in theirs.home.rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert path.stat().st_mode & 0o777 == wanted, path


UUID = "0cc1ac2b-3a1b-4d31-a1cb-ae5d5ed9e2a1"
BROKEN = f'{{"installationId": "{UUID}",, "versions": {{}}}}'


@as_root
@pytest.mark.parametrize(
    ("mode", "encoding"), [(0o000, "utf-8"), (0o444, "utf-8"), (0o600, "utf-16")]
)
def test_off_with_a_dotfile_that_cannot_be_read(theirs: Tool, mode: int, encoding: str) -> None:
    """The identifier is gone from it, whatever else was in it stays."""
    shutil.rmtree(theirs.home / ".local")
    theirs.dotfile.write_bytes(BROKEN.encode(encoding))
    theirs.dotfile.chmod(mode)
    for path in (theirs.home, theirs.dotfile):
        os.chown(path, NOBODY, NOBODY)
    done = theirs.run("telemetry", "off", BEFORE=AS_NOBODY)
    assert done.returncode == 0, done.stderr
    kept = (theirs.home / ".tin.unreadable").read_bytes()
    assert kept == BROKEN.replace(UUID, "-" * 36).encode(encoding)


@as_root
def test_off_with_a_dotfile_of_another_user(theirs: Tool) -> None:
    """Root wrote it, as `sudo` does: it is named, and the exit code says that something is left."""
    shutil.rmtree(theirs.home / ".local")
    theirs.dotfile.write_text(BROKEN)
    theirs.dotfile.chmod(0o600)
    os.chown(theirs.home, NOBODY, NOBODY)
    done = theirs.run("telemetry", "off", BEFORE=AS_NOBODY)
    assert done.returncode == 1
    aside = f"{theirs.dotfile}.unreadable"
    why = "Operation not permitted; delete it, your identifier may be in it"
    assert f"telemetry: {aside}: {why}\n" in done.stderr
    assert "you turned it off" in theirs.run("telemetry", BEFORE=AS_NOBODY).stdout


def test_off_after_an_on_that_was_killed(tool: Tool) -> None:
    """What it left unfinished holds the identifier, and goes; what only looks alike does not."""
    alike = tool.home / ".tin.old.tmp"
    alike.touch()
    kill = "os.replace = lambda *_: os.kill(os.getpid(), 9)"
    assert tool.run("telemetry", "on", BEFORE=kill).returncode == -9
    assert len(list(tool.home.glob(".tin.*.tmp"))) == 2
    assert tool.run("telemetry", "off").returncode == 0
    assert list(tool.home.glob(".tin.*")) == [alike]
