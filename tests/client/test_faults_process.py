"""What host processes do: fork, die, close what they have, run Python in odd ways."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from askfirst.client import queue, spawn
from tests.client.receiving import black_hole
from tests.client.terminal import PATIENCE_S
from tests.collector.serving import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.client.program import Program
    from tests.client.receiving import Receiver
    from tests.client.tool import Done, Tool


def shell(tool: Tool, script: str, *words: str, **env: str) -> Done:
    """Run a shell script that has the tool's command line in "$@"."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *tool.argv(*words)],
        env={**tool.env, **env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


# -- how a command goes on and ends -------------------------------------------------------------


def test_a_command_that_forks(program: Program) -> None:
    """Both come back from the command; it ran once."""
    program.source = "click_fork.py"
    program.agree()
    done = program.run("start")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(done.stdout.split()) == ["child", "parent"]
    assert program.commands() == ["start"]


def test_a_fork_that_records_itself(tool: Tool) -> None:
    """Who calls `record` in both processes has two events, with two ids."""
    tool.start(DURING="child = os.fork()", AFTER="os.waitpid(child, 0) if child else os._exit(0)")
    assert len(tool.ids()) == tool.ids().total() == 2


def test_threads(tool: Tool) -> None:
    """Threads that record at the same time lose nothing."""
    threads = """
import threading
def many():
    for _ in range(25): telemetry.record("start")
all = [threading.Thread(target=many) for _ in range(8)]
[thread.start() for thread in all]
[thread.join() for thread in all]
"""
    tool.start(DURING=threads)
    assert len(tool.ids()) == tool.ids().total() == 201


@pytest.mark.parametrize("when", ["DURING", "AFTER"])
def test_an_abrupt_end(tool: Tool, when: str) -> None:
    """`os._exit` before the record costs it; after it, it is on the disk already."""
    done = tool.run(**{when: "os._exit(7)"})
    assert (done.returncode, done.stdout, done.stderr) == (7, "started\n", "")
    assert len(tool.queued()) == (when == "AFTER")


@pytest.mark.parametrize(
    "end",
    [
        "raise RuntimeError('broken')",
        "raise KeyboardInterrupt",
        "sys.exit(3)",
        "sys.exit(300)",
        "sys.exit(-1)",
        "sys.exit('broken')",
        "import signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import signal; os.kill(os.getpid(), signal.SIGKILL)",
        "os.abort()",
        "sys.stdout.close()",
        "sys.setrecursionlimit(60)",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (5, 5))",
        "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
        "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()",
    ],
)
def test_ends_as_it_would_without_us(tool: Tool, end: str) -> None:
    """Exit code, stdout and stderr are those of the same program without telemetry."""
    script = end.replace("os.abort()", "sys.stdout.flush(); os.abort()")
    ours, plain = tool.run(DURING=script), tool.run(DURING=script, PLAIN="1")
    assert ours.returncode == plain.returncode
    assert ours.stdout == plain.stdout
    assert ours.stderr.replace("telemetry.record", "") == plain.stderr.replace(
        "telemetry.record", ""
    )
    assert len(tool.queued()) <= 1


# -- what is open -------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tool: Tool, receiver: Receiver, closed: str) -> None:
    """It still records and delivers, and nothing of it ends up in a file of the host's."""
    tool.due()
    done = shell(tool, f'"$@" {closed}', **receiver.env)
    shown = "" if ">&-" in closed.split() else "started\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, shown, "")
    receiver.wait()
    tool.settle()
    assert len(receiver.ids) == 1
    for word in ("show", "log"):
        done = shell(tool, f'"$@" telemetry {word} {closed}')
        assert (done.returncode, "Traceback" in done.stderr) == (0, False)


@pytest.mark.parametrize(
    "stream", ["sys.stderr = None", "sys.stdin = None", "sys.stderr.close()", "sys.stdin.close()"]
)
def test_streams_that_are_none(tool: Tool, stream: str) -> None:
    tool.start(BEFORE=stream)
    tool.start(DURING=stream)
    assert len(tool.queued()) == 2


def test_verbose_without_stderr(tool: Tool) -> None:
    tool.start(DURING="telemetry.verbose = True; sys.stderr = None")
    tool.start(DURING="telemetry.verbose = True; sys.stderr.close()")
    assert len(tool.queued()) == 2


@pytest.mark.needs("localedef")
def test_commands_in_a_terminal_that_cannot_show_it_all(
    tool: Tool, latin_1: dict[str, str], tmp_path: Path
) -> None:
    """What the encoding has not is spelled out, and every command ends as ever."""
    tool.declare("Tin CLI", "メモ帳")
    done = tool.run("telemetry", "off", **latin_1)
    assert (done.returncode, done.stderr[:8]) == (0, "What was")
    assert done.stdout.startswith(r"Telemetry of \u30e1\u30e2\u5e33 is off.")
    home = tmp_path / os.fsdecode(b"\xff")
    home.mkdir()
    done = tool.run("telemetry", HOME=str(home), PYTHONIOENCODING="utf-8:strict")
    assert done.returncode == 0, done.stderr
    assert r"\udcff/.tin (does not exist)" in done.stdout
    tool.contract_file.unlink()
    done = tool.run("telemetry", "--help")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("telemetry: ")
    assert done.stderr.count("\n") < 3


SCRIPTS = {
    "a command substitution": 'x=$("$@"); echo "$x"',
    "a pipe": '"$@" | cat',
    "stderr too": '"$@" 2>&1 | cat',
    "a third descriptor": '("$@" 3>&1) | cat',
    "many descriptors": '("$@" 3>&1 4>&1 9>&1) | cat',
    "one far off": """python3 -c 'import os, sys; os.dup2(1, 2000); os.execv(sys.argv[1], sys.argv[1:])' "$@" | cat""",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_nobody_waits_for_the_sender(tool: Tool, script: str) -> None:
    """The shell goes on when the tool has ended, though the sender is stuck with a silent server."""
    with black_hole() as env:
        tool.due()
        done = shell(tool, script, **env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")
        assert tool.processes(), "it is still trying"
    tool.settle()
    assert len(tool.queued()) == 1


def test_a_host_that_waits_for_all_its_children(tool: Tool) -> None:
    """A supervisor, say: it must not find itself waiting for a delivery."""
    wait = """
try:
    while True: os.wait()
except ChildProcessError:
    pass
"""
    with black_hole() as env:
        tool.due()
        tool.start(AFTER=wait, **env)
        assert tool.processes()
    tool.settle()


def test_a_long_lived_host(tool: Tool) -> None:
    """What forked a sender is waited for at the next record, so it is no zombie of the host's."""
    again = """
import time
child, deadline = telemetry.child, time.monotonic() + 60
while telemetry.child and time.monotonic() < deadline:
    telemetry.record("start")
try:
    os.waitpid(child, os.WNOHANG)
    print("a zombie")
except ChildProcessError:
    pass
"""
    tool.due()
    tool.start(AFTER=again)
    tool.settle()


def test_a_closed_port(tool: Tool) -> None:
    """The contract's collector refuses connections; the event waits, and the pause grows."""
    tool.due()
    done = shell(tool, 'x=$("$@"); echo "$x"')
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")
    wait_until(lambda: spawn.read_schedule(str(tool.state))[1] == 1, PATIENCE_S)
    assert len(tool.queued()) == 1


# -- how Python is run --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags",
    ["-I", "-S", "-I -S", "-O", "-OO", "-W error", "-X dev -W error", "-E -s", "-B -u", "-bb"],
)
def test_interpreter_flags(tool: Tool, receiver: Receiver, flags: str) -> None:
    tool.flags = flags.split()
    tool.due()
    tool.start(**receiver.env)
    receiver.wait()
    tool.settle()
    assert len(receiver.ids) == 1


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONOPTIMIZE": "2"},
        {"PYTHONWARNINGS": "error"},
        {"PYTHONUTF8": "0", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONSAFEPATH": "1"},
        {"PYTHONPATH": "/does/not/exist"},
        {"PYTHONDEVMODE": "1"},
        {"BEFORE": "os.chdir('/')"},
        {"DURING": "os.chdir('/')"},
        {"DURING": "os.umask(0o777)", "AFTER": "os.umask(0o22)"},
        {"DURING": "os.environ['PATH'] = ''"},
        {"DURING": "os.environ = dict(os.environ)"},
        {"DURING": "sys.argv.clear()"},
        {"DURING": "import gc; gc.disable(); sys.setswitchinterval(1e-6)"},
        {"DURING": "import signal; signal.pthread_sigmask(0, signal.valid_signals())"},
        {"DURING": "import signal; signal.signal(signal.SIGALRM, signal.SIG_IGN)"},
        {"DURING": "import locale; locale.setlocale(locale.LC_ALL, 'C')"},
    ],
    ids=lambda env: " ".join(f"{key}={value}" for key, value in env.items()),
)
def test_surroundings(tool: Tool, receiver: Receiver, env: dict[str, str]) -> None:
    """It records and delivers as ever."""
    tool.due()
    tool.start(**{**receiver.env, **env})
    receiver.wait()
    tool.settle()
    assert len(receiver.ids) == 1


@pytest.mark.parametrize(
    "script",
    [
        "os.environ.clear()",
        "sys.path.clear()",
        "import builtins; builtins.open = None",
        "sys.modules['json'] = None",
        "os.open = None",
        "import time; time.time_ns = lambda: 'noon'",
    ],
)
def test_hosts_that_take_things_away(tool: Tool, script: str) -> None:
    """It may cost the event; the run stays as it is."""
    tool.start(DURING=script)


@pytest.mark.parametrize("value", ["''", "None", "'/does/not/exist'", "'python3'"])
def test_no_interpreter_to_start(tool: Tool, receiver: Receiver, value: str) -> None:
    """What is queued waits for a run that has one, or for `telemetry send`."""
    tool.due()
    tool.start(DURING=f"sys.executable = {value}", **receiver.env)
    assert tool.processes() == []
    assert len(tool.queued()) == 1
    tool.delivers(receiver)
    assert len(receiver.ids) == 1


def test_a_deleted_folder(tool: Tool, receiver: Receiver, tmp_path: Path) -> None:
    """A host whose current folder is gone."""
    tool.due()
    here = tmp_path / "gone"
    here.mkdir()
    script = f'cd {here} && rmdir {here} && "$@"'
    done = shell(tool, script, **receiver.env)
    assert (done.returncode, done.stdout) == (0, "started\n")
    receiver.wait()
    tool.settle()
    assert len(receiver.ids) == 1


def test_a_caller_without_a_file(tool: Tool, tmp_path: Path) -> None:
    """`from_contract` in `python -c`, in a folder that is gone: nothing is found, nothing raises."""
    code = f"""
import os, sys
sys.path.insert(0, {tool.env["TIN_SOURCE"]!r})
os.mkdir({str(tmp_path / "gone")!r}); os.chdir({str(tmp_path / "gone")!r}); os.rmdir(os.getcwd())
from askfirst import Telemetry
telemetry = Telemetry.from_contract("telemetry.toml", "1.0.0")
telemetry.ask(); telemetry.set({{"cold": True}}); telemetry.record("start")
print("started")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=tool.env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "started\n", "")


# -- death at any point -------------------------------------------------------------------------

_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
_STATE = "/askfirst/tin"
# what changes something that another process can see; in between, one moment is like another
CHANGES = (
    *("openat", "flock", "write", "lseek", "ftruncate", "fsync", "rename", "unlink", "mkdir"),
    *("connect", "sendto", "recvfrom", "vfork", "clone", "clone3", "execve", "exit_group"),
)


def traced(tool: Tool, argv: Sequence[str], log: Path, inject: str = "", **env: str) -> None:
    """Run a command and what it starts under strace, to the end of all of it.

    Its stdin is the contract, as a sender's is.
    """
    contract = tool.contract_file.open()
    subprocess.run(
        [
            *("strace", "-f", "-qq", "-y", "-o", str(log)),
            *(("-e", inject) if inject else ()),
            *("-e", "trace=file,desc,network,process"),
            *argv,
        ],
        env={**tool.env, **env},
        stdin=contract,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    contract.close()


def points(log: Path) -> list[tuple[str, int]]:
    """Every call from the first on our folder, as (name, which call of that name in its process)."""
    counts: Counter[tuple[str, str]] = Counter()
    found: list[tuple[str, int]] = []
    begun = False
    for line in log.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        if call is None:
            continue
        process, name, rest = call.groups()
        counts[process, name] += 1
        begun = begun or _STATE in rest
        if begun and name in CHANGES:
            found.append((name, counts[process, name]))
    return sorted(set(found))


@pytest.mark.needs("strace")
def test_a_host_killed_at_any_point(tool: Tool, receiver: Receiver, tmp_path: Path) -> None:
    """SIGKILL before each of its calls on our files: no torn event is sent, none twice."""
    log = tmp_path / "trace"
    tool.start()
    traced(tool, tool.argv(), log)
    calls = points(log)
    assert {"openat", "flock", "write", "exit_group"} <= {name for name, _ in calls}
    for name, nth in calls:
        traced(tool, tool.argv(), log, f"inject={name}:signal=KILL:when={nth}")
    rows, torn = queue.lines(str(tool.state / "queue"))
    assert torn == 0
    assert 2 <= len(rows) <= len(calls) + 2
    tool.start()
    recorded = tool.ids()
    assert max(recorded.values()) == 1
    tool.delivers(receiver)
    assert receiver.ids == recorded
    assert queue.lost(str(tool.state)) == 0


@pytest.mark.slow
@pytest.mark.needs("strace")
def test_a_sender_killed_at_any_point(tool: Tool, receiver: Receiver, tmp_path: Path) -> None:
    """SIGKILL before each of its calls: every event arrives, under one id if it does again."""
    log = tmp_path / "trace"
    argv = [sys.executable, "-I", "-S", "-c", spawn._START, tool.env["TIN_SOURCE"]]
    env = {**receiver.env, spawn.SENDER: tool.work()}
    tool.start()
    traced(tool, argv, log, **env)
    assert len(receiver.ids) == 1
    calls = points(log)
    assert {"rename", "unlink", "connect"} <= {name for name, _ in calls}
    recorded = Counter(receiver.ids)
    for name, nth in calls:
        tool.start()
        recorded.update(tool.ids())
        traced(tool, argv, log, f"inject={name}:signal=KILL:when={nth}", **env)
    tool.start()
    recorded.update(tool.ids())
    tool.delivers(receiver)
    assert set(receiver.ids) == set(recorded)
    said = Counter(json.dumps(event) for _, body in receiver.posts for event in body["events"])
    assert len(said) == len(recorded), "what comes again is the same, byte for byte"
    assert tool.queued() == []
    assert queue.lost(str(tool.state)) == 0


@pytest.mark.parametrize("moment", ["before the answer", "after the answer"])
def test_a_sender_killed_with_a_slow_collector(tool: Tool, receiver: Receiver, moment: str) -> None:
    """What it had in hand is sent again by the next one, byte for byte."""
    receiver.slow = True
    tool.due()
    tool.start(**receiver.env)
    receiver.wait()
    sender = tool.sender()
    if moment == "after the answer":
        receiver.answer()
    with suppress(ProcessLookupError):  # it may have ended well by then
        os.kill(int(sender), 9)
    tool.settle()
    receiver.slow = False
    tool.start()
    tool.delivers(receiver)
    bodies = [body["events"] for _, body in receiver.posts]
    events = {json.dumps(event) for batch in bodies for event in batch}
    assert len(events) == len(receiver.ids) == 2
    assert receiver.ids.total() <= 3
