"""The example CLI, run as its users run it: real commands, real processes, a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from askfirst.contract.loading import load

STRATUS = Path(__file__).parents[2] / "examples" / "stratus"

# A process under test writes its pid down once it is set up, so that none can be lost or missed.
SLEEPS = ["sh", "-c", "echo $$ >> pids; exec sleep 600"]
SLEEPS_TOO = ["sh", "-c", "echo $$ >> pids; exec sleep 601"]
IGNORES_TERM = ["sh", "-c", "trap '' TERM; echo $$ >> pids; while :; do sleep 1; done"]
CHILD_IGNORES_TERM = [
    "sh",
    "-c",
    "(trap '' TERM; exec sh -c 'echo $$ >> pids; while :; do sleep 1; done') & exec sleep 600",
]

RUN = "from stratus import cli, supervisor; import os, sys; {patch}; cli.main()"
PATIENCE_S = 120  # on a machine that does much else
# `start` looks whether something has ended at once when something has, however slow the machine is
ONE_HAS_ENDED = (
    "wait = supervisor._wait; supervisor._wait = lambda *words: "
    "(os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT), wait(*words))"
)


class Application:
    """A folder with a manifest, and the `stratus` command run in it."""

    def __init__(self, folder: Path, home: Path) -> None:
        """Take two empty folders; no test sees the real home or inherits the environment."""
        self.folder = folder
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join([str(STRATUS), os.environ.get("PYTHONPATH", "")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "STRATUS_TELEMETRY": "0",
            "DO_NOT_TRACK": "1",
        }

    def declare(self, **environments: dict[str, list[str]]) -> None:
        """Write the manifest: a keyword is an environment, its value the commands by name."""
        self.write(
            {
                "application": "chat",
                "runtime": "2.0.0",
                "environments": {env: {"processes": all_} for env, all_ in environments.items()},
            }
        )

    def write(self, manifest: object) -> None:
        """Write any manifest; a text is written as it is."""
        text = manifest if isinstance(manifest, str) else json.dumps(manifest)
        (self.folder / "stratus.json").write_text(text)

    def popen(self, *words: str, patch: str = "") -> "subprocess.Popen[str]":
        """Begin a command. `patch` is a statement that runs in it first."""
        how = ["-c", RUN.format(patch=patch)] if patch else ["-m", "stratus"]
        return subprocess.Popen(
            [sys.executable, *how, *words],
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, code: int = 0, patch: str = "") -> str:
        """Run a command that must exit with `code`. Returns stdout, or stderr for an error (1)."""
        process = self.popen(*words, patch=patch)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == code, (out, err)
        return err if code == 1 else out

    def refuse(self, *words: str, patch: str = "") -> str:
        """Run a command that must fail as users may expect: exit 1 and one line on stderr."""
        line = self.run(*words, code=1, patch=patch)
        assert line.startswith("Error: ")
        assert line.count("\n") == 1, line
        return line

    def pids(self) -> list[int]:
        """Every process that has begun, in this order."""
        file = self.folder / "pids"
        return [int(line) for line in file.read_text().splitlines()] if file.exists() else []

    def begun(self, count: int) -> list[int]:
        """Wait until `count` processes have begun, since the folder was made."""
        until(lambda: len(self.pids()) >= count)
        assert len(self.pids()) == count
        return self.pids()

    def pid_file(self, name: str, env: str = "default") -> Path:
        """Where a pid file must be."""
        return self.folder / ".stratus-run" / env / f"{name}.pid"

    def recorded(self, name: str) -> int:
        """The pid in a pid file."""
        pid = json.loads(self.pid_file(name).read_text())["pid"]
        assert isinstance(pid, int)
        return pid


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    """An empty application folder. Afterwards no process may be left that a test did not end."""
    folder, home = tmp_path / "app", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    app = Application(folder, home)
    yield app
    left = [pid for pid in app.pids() if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "the test left processes behind"


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        os.kill(pid, 0)
        if not Path("/proc/self/stat").exists():
            return True
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (ProcessLookupError, FileNotFoundError):
        return False


def until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait until a condition holds, and fail if it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def bystander() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that is none of stratus' business and must survive."""
    process = subprocess.Popen(["sleep", "600"], start_new_session=True)
    yield process
    assert process.poll() is None, "the bystander was killed"
    process.kill()
    process.wait()


def test_init_start_status_stop(app: Application) -> None:
    """The first four commands of the README work in an empty folder."""
    app.run("init", "chat")
    assert app.run("status", code=3).count("stopped") == 2
    started = app.run("start")
    assert "Started web (pid " in started
    assert "Started worker (pid " in started
    pids = [app.recorded("web"), app.recorded("worker")]
    assert all(map(alive, pids))
    assert app.run("status").count("running") == 2
    log = app.folder / ".stratus-run/default/web.log"
    until(lambda: log.read_text() == "web is up\n")
    assert app.run("stop") == "Stopped web.\nStopped worker.\n"
    assert not any(map(alive, pids))
    assert app.run("stop") == "Nothing is running.\n"
    assert not app.pid_file("web").exists()


def test_readme_shows_the_manifest_that_init_writes(app: Application) -> None:
    """The README's manifest is the real one."""
    app.run("init", "chat")
    assert (app.folder / "stratus.json").read_text() in (STRATUS / "README.md").read_text()


def test_init_takes_the_folders_name(app: Application) -> None:
    """Without NAME the application is called after its folder."""
    app.run("init")
    assert json.loads((app.folder / "stratus.json").read_text())["application"] == "app"


def test_init_never_overwrites(app: Application) -> None:
    """A manifest that is there stays as it is."""
    app.write("mine")
    assert "Edit it, or remove it" in app.refuse("init", "chat")
    assert (app.folder / "stratus.json").read_text() == "mine"


@pytest.mark.parametrize("name", ["../chat", "a/b", "Chat", ".chat", "", "x" * 41, "chat\n"])
def test_init_refuses_unsafe_names(app: Application, name: str) -> None:
    """What could leave the folder, or differ by case only, is no name."""
    assert "is no name for an application" in app.refuse("init", name)
    assert not list(app.folder.iterdir())


def test_start_twice_starts_once(app: Application) -> None:
    """`start` is idempotent and says what it found."""
    app.declare(default={"web": SLEEPS})
    app.run("start")
    [pid] = app.begun(1)
    assert app.run("start") == f"web is already running (pid {pid}).\n"
    assert app.pids() == [pid]
    app.run("stop")


def test_two_starts_at_once_start_once(app: Application) -> None:
    """A second `start` waits for the first one."""
    app.declare(default={"web": SLEEPS})
    commands = [app.popen("start"), app.popen("start")]
    outputs = sorted(command.communicate(timeout=PATIENCE_S)[0] for command in commands)
    assert outputs[0].startswith("Started web")
    assert outputs[1].startswith("web is already running")
    app.begun(1)
    app.run("stop")


def test_processes_are_detached(app: Application) -> None:
    """A process has its own session and holds neither the terminal nor a pipe."""
    app.declare(default={"web": SLEEPS})
    app.run("start")  # would time out if the process held our pipe
    [pid] = app.begun(1)
    assert os.getsid(pid) == os.getpgid(pid) == pid
    app.run("stop")


def test_environments_are_apart(app: Application) -> None:
    """A command means its own environment only."""
    app.declare(default={"web": SLEEPS}, production={"web": SLEEPS})
    app.run("start")
    app.run("start", "--env", "production")
    pids = app.begun(2)
    app.run("stop", "--env", "production")
    assert sorted(map(alive, pids)) == [False, True]
    app.run("status")
    app.run("status", "--env", "production", code=3)
    app.run("stop")


def test_an_environment_that_left_the_manifest_can_be_stopped(app: Application) -> None:
    """Renaming an environment does not strand its processes."""
    app.declare(old={"web": SLEEPS})
    app.run("start", "--env", "old")
    app.begun(1)
    app.declare(new={"web": SLEEPS})
    assert app.run("stop", "--env", "old") == "Stopped web.\n"


def test_restart_replaces_everything(app: Application) -> None:
    """`restart` ends the old process before it starts a new one, and starts what did not run."""
    app.declare(default={"web": SLEEPS})
    app.run("restart")
    [old] = app.begun(1)
    app.run("restart")
    new = app.begun(2)[1]
    assert (alive(old), alive(new)) == (False, True)
    app.run("stop")


def test_reload_touches_only_what_changed(app: Application) -> None:
    """`reload` stops the dropped and the changed, starts the new, and leaves the rest alone."""
    app.declare(default={"same": SLEEPS, "changed": SLEEPS, "dropped": SLEEPS})
    app.run("start")
    app.begun(3)
    same, changed, dropped = map(app.recorded, ["same", "changed", "dropped"])
    app.declare(default={"same": SLEEPS, "changed": SLEEPS_TOO, "added": SLEEPS})
    table = app.run("status", code=3)
    assert "running, command changed" in table
    assert "running, no longer declared" in table
    app.run("reload")
    app.begun(5)
    assert (alive(same), alive(changed), alive(dropped)) == (True, False, False)
    assert app.recorded("same") == same
    assert app.recorded("changed") != changed
    assert alive(app.recorded("added"))
    assert not app.pid_file("dropped").exists()
    app.run("stop")


def test_stale_pid_file_is_recognised_and_cleaned(app: Application) -> None:
    """A process that ended by itself counts as ended; `start` starts it anew, `stop` tidies up."""
    app.declare(default={"web": SLEEPS})
    app.run("start")
    for count in (1, 2):
        os.kill(app.begun(count)[-1], signal.SIGKILL)
        until(lambda: not any(map(alive, app.pids())))
        assert "ended" in app.run("status", code=3)
        if count == 1:
            assert app.run("start").startswith("Started web")
    assert app.run("stop") == "web had already ended.\n"
    assert not app.pid_file("web").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "[]",
        "{}",
        '{"pid": 1, "started": "", "command": []}',
        '{"pid": 99999999, "started": null, "command": []}',
    ],
)
def test_senseless_pid_file_is_stale(app: Application, text: str) -> None:
    """A pid file without sense in it never stops a command."""
    app.declare(default={"web": SLEEPS})
    app.pid_file("web").parent.mkdir(parents=True)
    app.pid_file("web").write_text(text)
    app.run("status", code=3)
    assert app.run("stop") == "web had already ended.\n"


@pytest.mark.parametrize("command", ["stop", "restart", "reload", "start"])
def test_reused_pid_is_never_killed(
    app: Application, bystander: "subprocess.Popen[bytes]", command: str
) -> None:
    """A process that merely got the pid in a pid file is left alone."""
    app.declare(default={"web": SLEEPS})
    app.run("start")
    app.begun(1)
    mine = app.pid_file("web").read_text()
    app.run("stop")
    record: dict[str, Any] = {**json.loads(mine), "pid": bystander.pid, "started": "earlier"}
    app.pid_file("web").write_text(json.dumps(record))
    assert "ended" in app.run("status", code=3)
    app.run(command)
    if command != "stop":
        app.begun(2)
        app.run("stop")
    assert bystander.poll() is None


def test_process_that_dies_at_once_fails_the_start(app: Application) -> None:
    """The error says how it ended and names the log; the healthy process keeps running."""
    app.declare(default={"bad": ["sh", "-c", "echo no port >&2; exit 7"], "good": SLEEPS})
    line = app.refuse("start", patch=ONE_HAS_ENDED)
    app.begun(1)
    assert "bad ended at once (exit code 7)" in line
    assert ".stratus-run/default/bad.log" in line
    assert (app.folder / ".stratus-run/default/bad.log").read_text() == "no port\n"
    assert not app.pid_file("bad").exists()
    assert alive(app.recorded("good"))
    app.run("status", code=3)
    app.run("stop")


def test_every_process_that_dies_is_named(app: Application) -> None:
    """The first death does not cut the others' time short."""
    late = ["sh", "-c", "sleep 0.05; kill -9 $$"]
    app.declare(default={"early": ["sh", "-c", "exit 7"], "late": late})
    line = app.run("start", code=1, patch="supervisor.GRACE_SECONDS = 20")
    assert "early ended at once (exit code 7)" in line
    assert "late ended at once (signal 9)" in line


@pytest.mark.parametrize("program", ["no-such-program", "\ud800"])
def test_program_that_cannot_run_fails_the_start(app: Application, program: str) -> None:
    """A command that the system refuses is an error like any other."""
    app.declare(default={"bad": [program], "good": SLEEPS})
    assert "bad cannot run" in app.refuse("start")
    app.begun(1)
    app.run("stop")


@pytest.mark.parametrize("command", [IGNORES_TERM, CHILD_IGNORES_TERM])
def test_stop_kills_what_does_not_listen(app: Application, command: list[str]) -> None:
    """After the bounded wait SIGKILL ends the whole group, its leader's children included."""
    app.declare(default={"deaf": command})
    app.run("start")
    [pid] = app.begun(1)
    app.run("stop", patch="supervisor.STOP_SECONDS, supervisor.KILL_SECONDS = 0.1, 60")
    assert not alive(pid)
    assert not app.pid_file("deaf").exists()


def test_stop_waits_for_a_process_that_tidies_up(app: Application) -> None:
    """SIGTERM comes first, and `stop` returns only when the process has ended."""
    tidies = "trap 'echo tidied; exit' TERM; echo $$ >> pids; while :; do sleep 0.02; done"
    app.declare(default={"web": ["sh", "-c", tidies]})
    app.run("start")
    app.begun(1)
    app.run("stop", patch="supervisor.STOP_SECONDS = 60")
    assert (app.folder / ".stratus-run/default/web.log").read_text().endswith("tidied\n")


def test_verbose_explains_on_stderr(app: Application) -> None:
    """`--verbose` adds to stderr, never to stdout."""
    app.declare(default={"web": SLEEPS})
    app.run("start")
    app.begun(1)
    out, err = app.popen("stop", "--verbose").communicate(timeout=PATIENCE_S)
    assert out == "Stopped web.\n"
    assert "SIGTERM" in err


def test_start_times_from_ps(app: Application) -> None:
    """Where there is no /proc, `ps` tells when a process started."""
    app.declare(default={"web": SLEEPS})
    elsewhere = "sys.platform = 'darwin'"
    years = {str(time.gmtime().tm_year)}
    app.run("start", patch=elsewhere)
    years.add(str(time.gmtime().tm_year))
    [pid] = app.begun(1)
    assert json.loads(app.pid_file("web").read_text())["started"].split()[-1] in years
    assert "running" in app.run("status", patch=elsewhere)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    assert "ended" in app.run("status", code=3, patch=elsewhere)


GOOD: dict[str, Any] = {
    "application": "chat",
    "runtime": "2.0.0",
    "environments": {"default": {"processes": {"web": ["true"]}}},
}


def processes(value: object) -> dict[str, Any]:
    """A manifest whose one environment has these processes."""
    return {**GOOD, "environments": {"default": {"processes": value}}}


@pytest.mark.parametrize(
    ("manifest", "named"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ([], "the manifest"),
        ({**GOOD, "application": 1}, "application"),
        ({**GOOD, "application": "../chat"}, "'../chat'"),
        ({**GOOD, "runtime": ""}, "runtime"),
        ({**GOOD, "environments": {}}, "environments"),
        ({**GOOD, "environments": {"default": []}}, "environments.default"),
        ({**GOOD, "environments": {"default": {}}}, "environments.default.processes"),
        ({**GOOD, "environments": {"a/b": GOOD["environments"]["default"]}}, "'a/b'"),
        (processes({}), "environments.default.processes"),
        (processes({"../../web": ["true"]}), "'../../web'"),
        (processes({"a\nb": ["true"]}), r"'a\nb'"),
        (processes({"web": "true"}), "environments.default.processes.web"),
        (processes({"web": []}), "environments.default.processes.web"),
        (processes({"web": ["echo", 1]}), "environments.default.processes.web"),
        (processes({"web": ["echo", "\0"]}), "environments.default.processes.web"),
    ],
)
def test_bad_manifest_is_named(app: Application, manifest: object, named: str) -> None:
    """A manifest that cannot be used is refused with the key at fault, and nothing is written."""
    app.write(manifest)
    assert named in app.refuse("start")
    assert [path.name for path in app.folder.iterdir()] == ["stratus.json"]
    assert [path.name for path in app.folder.parent.iterdir() if path.is_file()] == []


@pytest.mark.parametrize("command", ["start", "stop", "restart", "reload", "status"])
@pytest.mark.parametrize("env", ["../x", "nope", "", "/"])
def test_unknown_environment_is_refused(app: Application, command: str, env: str) -> None:
    """Only a declared environment has a folder."""
    app.write(GOOD)
    app.refuse(command, "--env", env)
    assert [path.name for path in app.folder.iterdir()] == ["stratus.json"]


def test_missing_manifest_says_what_to_do(app: Application) -> None:
    """Without a manifest the remedy is `init`."""
    assert "stratus init" in app.refuse("start")


def test_unusable_run_folder_is_one_line(app: Application) -> None:
    """What the file system refuses is no traceback either."""
    app.write(GOOD)
    (app.folder / ".stratus-run").write_text("in the way")
    assert ".stratus-run" in app.refuse("start")


def test_contract_declares_commands_that_exist(app: Application) -> None:
    """The contract is valid, and every command in it is one of the CLI's."""
    contract = load(STRATUS / "stratus" / "telemetry.toml")
    text = app.run("--help")
    assert contract.commands
    assert all(f"\n  {command} " in text for command in contract.commands)


def test_telemetry_sees_the_declared_commands_and_nothing_else(app: Application) -> None:
    """A success of start, stop, restart or reload forms an event; nothing else does."""
    app.env |= {"STRATUS_TELEMETRY": "log", "ASKFIRST_STRICT": "1"}
    del app.env["DO_NOT_TRACK"]
    app.declare(default={"web": SLEEPS}, bad={"web": ["false"]})
    for command in ("start", "reload", "restart", "stop"):
        _, err = app.popen(command).communicate(timeout=PATIENCE_S)
        event = json.loads(err)
        assert event["cli"] == {"version": "1.4.0", "command": command}
        assert event["runtime"] == "2.0.0"
        assert sorted(event["application"]) == ["env", "name"]
        assert "chat" not in err
    app.refuse("start", "--env", "bad", patch=ONE_HAS_ENDED)
    app.refuse("stop", "--env", "nope")
    for command in ("status", "init"):
        assert "{" not in app.popen(command).communicate(timeout=PATIENCE_S)[1]
    assert not list(app.folder.parent.joinpath("home").iterdir())
