"""The question, in real terminals: what it says, what answers it, and what it leaves behind."""

from __future__ import annotations

import io
import json
import os
import pty
import random
import select
import signal
import stat
import sys
import termios
import uuid
from pathlib import Path
from typing import Any

import pyte
import pytest

from askfirst.client import prompt
from askfirst.client.consent import CI_VARIABLES
from askfirst.client.prompt import understand
from tests.client.program import NO_SELECTED, Program
from tests.client.terminal import CTRL_C, CTRL_D, DOWN, ENTER, UP, Terminal

YES_SELECTED = "> Yes, I agree"
TYPED = "Your answer, y or n"
NOISE = bytes(byte for byte in random.Random(2018).randbytes(600) if byte not in b"yY\r\n")[:500]

YES = {
    "down": DOWN + ENTER,
    "y": "y",
    "capital y": "Y",
    "y and enter": "y\r",
    "the word": "yes\r",
    "the word in capitals": "YES\r",
    "down twice": DOWN + DOWN + ENTER,
}
NO = {
    "enter": ENTER,
    "up": UP + ENTER,
    "down and back": DOWN + UP + ENTER,
    "up and down and up": UP + DOWN + UP + ENTER,
    "n": "n",
    "capital n": "N",
    "no": "no\r",
    "ctrl-c": CTRL_C,
    "ctrl-d": CTRL_D,
    "ctrl-c after down": DOWN + CTRL_C,
    "ctrl-d after down": DOWN + CTRL_D,
    "ctrl-z": "\x1a",
    "ctrl-backslash": "\x1c",
    "ctrl-s": "\x13",
    "escape": "\x1b",
    "x": "x",
    "maybe": "maybe\r",
    "y in a word": "maybe y\r",
    "two answers": "y\rn\r",
    "shift-tab": "\x1b[Z",
    "invalid UTF-8": b"\xff\xfe\xc3\r",
    "noise": NOISE,
    "many lines": "one\rtwo\rthree\r" * 40,
}


def only_a_no(program: Program, version: str = "1.0.0") -> bool:
    """Whether the home holds a No and nothing else."""
    assert program.files() == [".tin"]
    answers = program.answers()
    assert answers.keys() == {"versions"}, "no identifier after a No"
    answer = answers["versions"][version]
    assert answer.keys() == {"sendTelemetry", "decidedAt"}
    return answer["sendTelemetry"] is False


def is_unasked(program: Program, terminal: Terminal) -> bool:
    """Whether a program ended well without asking and without a file in its home."""
    assert terminal.finish() == 0, terminal.text
    assert program.files() == []
    return "Tin Makers asks" not in terminal.text


@pytest.mark.parametrize("keys", YES.values(), ids=YES)
def test_yes(program: Program, keys: str) -> None:
    """A clear Yes is a Yes, and the host program goes on."""
    terminal = program.answer(keys)
    assert program.answers()["versions"]["1.0.0"]["sendTelemetry"] is True
    assert "Thank you. Change your mind with: tin telemetry off" in terminal.text


@pytest.mark.parametrize("keys", NO.values(), ids=NO)
def test_no(program: Program, keys: str | bytes) -> None:
    """Anything else is a No; none of it reaches the host program, which goes on and ends well."""
    terminal = program.answer(keys)
    assert only_a_no(program)
    assert "Nothing is collected." in terminal.text
    assert terminal.settings() == terminal.settings_before


def test_keys_one_at_a_time(program: Program) -> None:
    """What is selected is shown after every key, on the lines of what was selected before."""
    terminal = program.terminal("read")
    terminal.expect(NO_SELECTED)
    terminal.expect("  Yes, I agree to share usage data with Tin Makers.\n")
    for key, selected in ((DOWN, YES_SELECTED), (UP, NO_SELECTED), ("j", YES_SELECTED)):
        terminal.send(key)
        terminal.expect("\x1b[2A\r\x1b[J")
        terminal.expect(selected)
    terminal.send(ENTER)
    terminal.expect("ready")
    assert program.answers()["versions"]["1.0.0"]["sendTelemetry"] is True


def test_typing_ahead_is_no_answer(program: Program) -> None:
    """What was typed before the question was seen does not answer it."""
    terminal = program.terminal("read", typed="y\ry\r")
    terminal.expect(NO_SELECTED)
    terminal.send(ENTER)
    terminal.expect("ready")
    assert only_a_no(program)


@pytest.mark.parametrize(
    "keys", [ENTER, "y", CTRL_C, CTRL_D, NOISE], ids=["enter", "y", "c", "d", "noise"]
)
def test_terminal_is_set_as_before(program: Program, keys: str | bytes) -> None:
    """While the host program runs on, the terminal has the settings it had."""
    terminal = program.terminal("read")
    terminal.expect(NO_SELECTED)
    assert terminal.settings() != terminal.settings_before
    terminal.send(keys)
    terminal.expect("ready")
    assert terminal.settings() == terminal.settings_before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_terminal_is_set_as_before_a_signal(program: Program, number: int) -> None:
    """What ends the program while it asks, as `timeout` does, ends it as ever, and not the shell."""
    terminal = program.terminal("read")
    terminal.expect(NO_SELECTED)
    assert terminal.settings() != terminal.settings_before
    terminal.signal(number)
    assert terminal.finish() == -number
    assert terminal.settings() == terminal.settings_before
    assert program.files() == []


HANDLERS = """
import os, signal, threading

from askfirst import Telemetry

seen = []
if "OWN" in os.environ:
    signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
both = signal.SIGTERM, signal.SIGHUP
before = [signal.getsignal(number) for number in both]
telemetry = Telemetry.from_contract("telemetry.toml", version="1.0.0")
if "THREAD" in os.environ:
    asking = threading.Thread(target=telemetry.ask)
    asking.start()
    asking.join()
else:
    telemetry.ask()
print(f"{len(seen)} seen, {before == [signal.getsignal(number) for number in both]}")
"""


@pytest.mark.parametrize("where", ["MAIN", "THREAD"])
@pytest.mark.parametrize("whose", ["OWN", "DEFAULT"])
def test_the_hosts_own_handlers_stay(program: Program, where: str, whose: str) -> None:
    """A signal that the host handles or ignores is left to it; afterwards all is as before."""
    program.source = "handlers.py"
    (program.folder / program.source).write_text(HANDLERS)
    terminal = program.terminal(env={where: "1", whose: "1"})
    terminal.expect(NO_SELECTED)
    if whose == "OWN":
        terminal.signal(signal.SIGTERM)
        terminal.signal(signal.SIGHUP)
    terminal.send(ENTER)
    terminal.expect(f"{int(whose == 'OWN')} seen, True")
    assert terminal.finish() == 0
    assert terminal.settings() == terminal.settings_before
    assert only_a_no(program)


OVERTAKEN = """
import os, signal, termios, time

from askfirst import Telemetry

asking = os.getpid()
if not os.fork():
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    while termios.tcgetattr(0)[3] & termios.ICANON:  # until it asks
        time.sleep(0.01)
    os.tcsetpgrp(0, os.getpgrp())
    print(f"overtaken {asking}.", flush=True)
    while os.getppid() == asking:
        time.sleep(0.01)
    os._exit(0)
Telemetry.from_contract("telemetry.toml", version="1.0.0").ask()
"""


def test_a_signal_that_comes_in_the_background(program: Program) -> None:
    """The terminal is another's then: to touch it would stop the program instead of ending it."""
    program.source = "overtaken.py"
    (program.folder / program.source).write_text(OVERTAKEN)
    terminal = program.terminal(before=["sh", "-c", 'set -m; "$@"; echo "ended $?."', "sh"])
    terminal.expect("overtaken ")
    raw = terminal.settings()
    terminal.expect(".")
    pid = int(terminal.text.rpartition("overtaken ")[2].partition(".")[0])
    os.kill(pid, signal.SIGTERM)
    terminal.expect(f"ended {128 + signal.SIGTERM}.")
    assert terminal.settings() == raw != terminal.settings_before


def test_what_it_says(program: Program) -> None:
    """Who asks, what for, what is collected and what is not, and how to change one's mind."""
    terminal = program.terminal("read", columns=200)
    terminal.expect(NO_SELECTED)
    terminal.expect("  Yes, I agree to share usage data with Tin Makers.\n")
    said = " ".join(" ".join(terminal.lines).split())
    for words in [
        "Tin Makers asks: may Tin CLI share how you use it?",
        *(field.purpose for field in program.contract().fields.values()),
        "What is collected, when you run start, db migrate",
        "the command, the time, and the version of Tin CLI",
        "application.name: only as a hash",
        "runtime: as it is, if it looks like a released version",
        "colour: one of red, green, other",
        "cold: yes or no",
        "What is never collected: arguments, option values, paths, host or user names",
        "pseudonymous",
        "deleted after 395 days",
        "Saying No has no disadvantage",
        "tin telemetry off",
        "Read more: https://example.org/tin/telemetry",
    ]:
        assert words in said
    assert "anonymous" not in said.replace("pseudonymous", "")
    assert max(map(len, terminal.lines)) <= 88, "long lines are hard to read"


@pytest.mark.parametrize("keys", [DOWN + ENTER, ENTER])
@pytest.mark.parametrize("columns", [20, 40])
def test_narrow_terminal(program: Program, columns: int, keys: str) -> None:
    """On a narrow terminal no line is too wide, and what is drawn again is what was drawn."""
    terminal = program.terminal("read", columns=columns)
    terminal.expect("Tin Makers asks:")
    terminal.expect("may")
    terminal.expect(NO_SELECTED)
    terminal.expect("Makers.\n")
    first = terminal.text[terminal.text.index(NO_SELECTED) :].count("\n")
    for key in (DOWN, UP):
        terminal.send(key)
        terminal.expect(f"\x1b[{first}A\r\x1b[J")
        terminal.expect("Makers.\n")
    terminal.send(keys)
    terminal.expect("ready")
    assert max(map(len, terminal.lines)) < columns, "the last column may wrap"
    assert program.answers()["versions"]["1.0.0"]["sendTelemetry"] is (keys != ENTER)


@pytest.mark.parametrize("columns", [8, 15, 33])
@pytest.mark.parametrize(
    "name", ["Tin Makers", "株式会社ブリキ製作所のテレメトリ担当", "e\u0301" * 30]
)
def test_what_was_drawn_before_is_gone(program: Program, columns: int, name: str) -> None:
    """On the screen itself, with letters that take two columns or none, and lines that wrap."""
    program.declare("Tin Makers", name)
    screen = pyte.Screen(columns, 200)
    stream = pyte.Stream(screen)
    terminal = program.terminal("read", columns=columns)
    terminal.expect("> No")
    for key, mark in ((DOWN, "> Yes"), (UP, "> No"), (DOWN, "> Yes")):
        terminal.send(key)
        terminal.expect("\x1b[J")
        terminal.expect(mark)
    terminal.send("n")
    terminal.expect("ready")
    stream.feed(terminal.text.partition("Nothing is collected")[0].replace("\n", "\r\n"))
    marked = [line[:4] for line in screen.display if line.startswith("> ")]
    assert len(marked) == 1, "\n".join(screen.display)


PLAIN_ANSWERS: dict[str, tuple[str | bytes, bool]] = {
    "enter": (ENTER, False),
    "y": ("y\r", True),
    "yes": ("yes\r", True),
    "capitals": ("YES\r", True),
    "n": ("n\r", False),
    "no": ("no\r", False),
    "garbage": ("maybe\r", False),
    "many lines": ("one\rtwo\rthree\r", False),
    "invalid UTF-8": (b"\xff\xfey\r", False),
    "ctrl-d": (CTRL_D, False),
    "ctrl-c": (CTRL_C, False),
    "y and ctrl-c": ("y" + CTRL_C, False),
}


@pytest.mark.parametrize(("keys", "yes"), PLAIN_ANSWERS.values(), ids=PLAIN_ANSWERS)
def test_plain_terminal(program: Program, keys: str | bytes, yes: bool) -> None:
    """TERM=dumb: a letter and Enter, nothing drawn twice, no escape sequence."""
    terminal = program.terminal("read", env={"TERM": "dumb"})
    terminal.expect(TYPED)
    terminal.send(keys)
    terminal.expect("ready")
    assert terminal.settings() == terminal.settings_before
    terminal.send("hello\r")
    terminal.expect("read 'hello\\n'")
    assert terminal.finish() == 0
    assert "\x1b" not in terminal.text
    assert yes or only_a_no(program)
    assert program.answers()["versions"]["1.0.0"]["sendTelemetry"] is yes


def test_plain_terminal_lists_no_first_and_takes_no_typing_ahead(program: Program) -> None:
    """The plain question has the same promises."""
    terminal = program.terminal("read", env={"TERM": "dumb"}, columns=20, typed="y\ry\r")
    terminal.expect("- n: No, thank you.")
    terminal.expect("- y: Yes")
    terminal.expect("[n]:")
    terminal.send(ENTER)
    terminal.expect("ready")
    assert only_a_no(program)
    assert max(map(len, terminal.lines)) < 20


def test_stdout_is_the_host_programs(program: Program, tmp_path: Path) -> None:
    """With stdout in a file the question is on the terminal, and the file holds the output only."""
    out = tmp_path / "out"
    terminal = program.terminal("start", stdout=str(out))
    terminal.expect(NO_SELECTED)
    terminal.send("n")
    assert terminal.finish() == 0
    assert out.read_text() == "started\n"
    assert "started" not in terminal.text


def test_after_a_no(program: Program) -> None:
    """One file, for its owner only, with an answer and no identifier; and no second question."""
    program.answer("n")
    assert only_a_no(program)
    assert stat.S_IMODE(program.dotfile.stat().st_mode) == 0o600
    before = program.dotfile.read_bytes(), program.dotfile.stat().st_mtime_ns
    assert not program.asks("1.0.0")
    program.run("start")
    assert (program.dotfile.read_bytes(), program.dotfile.stat().st_mtime_ns) == before
    assert program.files() == [".tin"]


def test_after_a_yes(program: Program) -> None:
    """A random identifier, the answer and what it agreed to; and no second question."""
    program.answer("y")
    assert program.files() == [".tin"], "nothing was recorded yet"
    assert stat.S_IMODE(program.dotfile.stat().st_mode) == 0o600
    answers = program.answers()
    assert uuid.UUID(answers["installationId"]).version == 4
    assert answers["versions"]["1.0.0"]["sendTelemetry"] is True
    assert answers["versions"]["1.0.0"]["contract"] == program.contract().digest
    assert answers["versions"]["1.0.0"]["agreed"] == program.contract().agreement()
    assert not program.asks("1.0.0")


def test_the_answered_command_is_recorded(program: Program) -> None:
    """After the Yes, the command that asked is the first to be recorded."""
    terminal = program.terminal("start")
    terminal.expect(NO_SELECTED)
    terminal.send("y")
    assert terminal.finish() == 0
    assert program.commands() == ["start"]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["start", "--help"],
        ["telemetry"],
        ["telemetry", "status"],
        ["telemetry", "show"],
        ["telemetry", "log"],
        ["telemetry", "--help"],
        ["telemetry", "on", "--help"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("source", ["click_tool.py", "argparse_tool.py"])
def test_not_asked_by(program: Program, source: str, words: list[str]) -> None:
    """Help, version and the telemetry commands never ask."""
    program.source = source
    assert is_unasked(program, program.terminal(*words))


@pytest.mark.parametrize("word", ["on", "off", "--enable", "--disable"])
@pytest.mark.parametrize("source", ["click_tool.py", "argparse_tool.py"])
def test_not_asked_by_the_answer_itself(program: Program, source: str, word: str) -> None:
    """Who answers with a command is not asked as well."""
    program.source = source
    terminal = program.terminal("telemetry", word)
    assert terminal.finish() == 0
    assert "Tin Makers asks" not in terminal.text
    yes = program.answers()["versions"]["1.0.0"]["sendTelemetry"]
    assert yes is (word in ("on", "--enable"))


@pytest.mark.parametrize(
    "env",
    [
        {"_TIN_COMPLETE": "bash_source"},
        {"_TIN_COMPLETE": "zsh_source"},
        {"_TIN_COMPLETE": "bash_complete", "COMP_WORDS": "tin st", "COMP_CWORD": "1"},
        {"_TIN_COMPLETE": "bash_complete", "COMP_WORDS": "tin db m", "COMP_CWORD": "2"},
    ],
    ids=lambda env: f"{env['_TIN_COMPLETE']} {env.get('COMP_WORDS', '')}",
)
def test_not_asked_by_shell_completion(program: Program, env: dict[str, str]) -> None:
    """A press of Tab in the user's shell never asks."""
    assert is_unasked(program, program.terminal(env=env))


@pytest.mark.parametrize(
    "env",
    [
        {"CI": "1"},
        {"CI": "true"},
        {"CI": "woodpecker"},
        *({name: "x"} for name in CI_VARIABLES[1:]),
        {"DO_NOT_TRACK": "1"},
        {"DO_NOT_TRACK": "yes"},
        {"ASKFIRST_TELEMETRY": "0"},
        {"ASKFIRST_TELEMETRY": "off"},
        {"TIN_TELEMETRY": "off"},
        {"TIN_TELEMETRY": "0"},
        {"TIN_TELEMETRY": "maybe"},
        {"TIN_TELEMETRY": "log"},
    ],
    ids=lambda env: "=".join(*env.items()),
)
def test_not_asked_under(program: Program, env: dict[str, str]) -> None:
    """CI and the variables that turn telemetry off also turn the question off."""
    assert is_unasked(program, program.terminal("start", env=env))


@pytest.mark.parametrize("env", [{"CI": "false"}, {"DO_NOT_TRACK": "0"}, {"TIN_TELEMETRY": "1"}])
def test_asked_under(program: Program, env: dict[str, str]) -> None:
    """A variable that says "no, not off" does not turn the question off."""
    program.terminal("start", env=env).expect(NO_SELECTED)


@pytest.mark.parametrize("end", ["stdin", "stderr"])
def test_not_asked_without_a_terminal(program: Program, end: str) -> None:
    """It takes a terminal to read from and one to write to."""
    assert is_unasked(program, program.terminal("start", **{end: os.devnull}))


def test_not_asked_in_the_background(program: Program) -> None:
    """A job started with & would be stopped by its shell if it touched the terminal."""
    assert is_unasked(program, program.terminal("start", background=True))


@pytest.mark.parametrize("home", ["", "relative", "~", "/nonexistent/home", "/dev/null"])
def test_not_asked_without_a_home(program: Program, home: str) -> None:
    """Who cannot be remembered is not asked."""
    assert is_unasked(program, program.terminal("start", env={"HOME": home}))


@pytest.mark.needs("setpriv")
def test_not_asked_in_a_home_that_cannot_be_written(program: Program) -> None:
    """An answer that could not be kept would be asked for again and again."""
    program.home.chmod(0o555)
    root = os.geteuid() == 0  # who writes everywhere, unless that is taken away
    before = ["setpriv", "--bounding-set=-dac_override"] if root else []
    assert is_unasked(program, program.terminal("start", before=before))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file somebody else's")
def test_not_asked_in_the_home_of_another(program: Program) -> None:
    """Under sudo the home can be another user's: no file of root is left in it."""
    os.chown(program.home, 65534, 65534)
    assert is_unasked(program, program.terminal("start"))


def test_not_asked_when_the_answer_is_a_folder(program: Program) -> None:
    """Where ~/.<tool> is something else already, it stays as it is."""
    program.dotfile.mkdir()
    terminal = program.terminal("start")
    assert terminal.finish() == 0
    assert "Tin Makers asks" not in terminal.text
    assert program.files() == [".tin"]


@pytest.mark.parametrize("content", ["no JSON", "[]", "\xff", '"x"'])
def test_not_asked_when_the_answer_is_unreadable(program: Program, content: str) -> None:
    """What cannot be read may be a No."""
    program.dotfile.write_text(content)
    terminal = program.terminal("start")
    assert terminal.finish() == 0
    assert "Tin Makers asks" not in terminal.text
    assert program.dotfile.read_text() == content


def test_keys_of_other_kinds_of_terminal() -> None:
    """The arrow keys of application mode, vi's, and Tab are understood too."""
    for down in ("\x1bOB", "j", "\t", "\x1b[C"):
        assert understand(down, 0) == (1, False)
    for up in ("\x1bOA", "k", "\x1b[D"):
        assert understand(up, 1) == (0, False)


@pytest.mark.parametrize("kind", ["file", "no descriptor"])
def test_where_there_is_no_terminal_nothing_is_read_or_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """A terminal that will not say how it is set, or goes away meanwhile, gets the plain question."""
    stream: Any = io.StringIO() if kind == "no descriptor" else (tmp_path / "file").open("w+")
    monkeypatch.setattr(sys, "stdin", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    assert prompt._raw_keys() is None
    assert prompt._columns() == 80
    stream.write("typed")
    stream.seek(0)
    prompt._drop_typed()
    assert stream.read() == "typed"
    stream.close()


def test_whoever_types_without_end_does_not_keep_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is pasted behind an answer is dropped, up to a bound; then the terminal is as before."""
    main, side = pty.openpty()
    before = termios.tcgetattr(side)
    reads: list[int] = []
    with open(side, "r+b", buffering=0) as raw:
        monkeypatch.setattr(sys, "stdin", raw)
        keys = prompt._PosixKeys()
        with keys:
            monkeypatch.setattr(select, "select", lambda *_: ([side], [], []))
            monkeypatch.setattr(os, "read", lambda _fd, size: reads.append(size) or b"x")
        monkeypatch.undo()
        assert len(reads) == 100
        assert termios.tcgetattr(side) == before
    os.close(main)


def test_dotfile_is_json_for_people(program: Program) -> None:
    """The file that holds the answer can be read by eye."""
    program.answer("n")
    text = program.dotfile.read_text()
    assert text == json.dumps(json.loads(text), indent=2) + "\n"
