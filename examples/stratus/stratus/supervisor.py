"""Starts an environment's processes, remembers them in pid files, and ends them again."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from click import ClickException

from stratus.manifest import FILE, Processes, check_name

RUN_FOLDER = Path(".stratus-run")  # not .stratus: that is the name of the dotfile
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux; some sandboxes leave it out

GRACE_SECONDS = 0.3  # a mistyped command or a port in use shows within this time
STOP_SECONDS = 5.0  # between SIGTERM and SIGKILL
KILL_SECONDS = 2.0  # after SIGKILL; only a process stuck in the kernel takes longer
POLL_SECONDS = 0.02

Say = Callable[[str], None]


class ProcessError(ClickException):
    """A process could not be started or stopped; the message says what to do. Exits with 1."""


@dataclass(frozen=True)
class Record:
    """What a pid file holds. `started` tells a process from a later one with the same pid."""

    pid: int
    started: str
    command: list[str]


class Supervisor:
    """The processes of one environment. What it prints is up to the caller."""

    def __init__(self, env: str, say: Say, detail: Say) -> None:
        """Name the environment, and where results (`say`) and explanations (`detail`) go."""
        self.folder = RUN_FOLDER / check_name(env, "an environment")
        self.say = say
        self.detail = detail

    def start(self, processes: Processes) -> None:
        """Start what does not run yet."""
        with self._locked():
            self._start(processes)

    def stop(self) -> None:
        """End everything that was started, declared or not."""
        with self._locked():
            names = self.names()
            self._stop(names)
        if not names:
            self.say("Nothing is running.")

    def restart(self, processes: Processes) -> None:
        """Stop, then start."""
        with self._locked():
            self._stop(self.names())
            self._start(processes)

    def reload(self, processes: Processes) -> None:
        """Stop what is no longer declared as it runs, start what is missing, leave the rest."""
        with self._locked():
            self._stop([name for name in self.names() if self._outdated(name, processes)])
            self._start(processes)

    def names(self) -> list[str]:
        """The processes that have a pid file."""
        return sorted(path.stem for path in self.folder.glob("*.pid"))

    def running(self, name: str) -> Record | None:
        """What is known about a process if it runs, else None."""
        record = _read(self._pid_file(name))
        return record if record and _lives(record) else None

    def state(self, name: str, processes: Processes) -> tuple[str, str]:
        """A process's pid, if it runs, and its state in words."""
        record = self.running(name)
        if record is None:
            return "-", "ended" if self._pid_file(name).exists() else "stopped"
        if name not in processes:
            return str(record.pid), "running, no longer declared"
        changed = record.command != processes[name]
        return str(record.pid), "running, command changed" if changed else "running"

    def log_file(self, name: str) -> Path:
        """Where a process's output goes."""
        return self.folder / f"{name}.log"

    def _pid_file(self, name: str) -> Path:
        return self.folder / f"{name}.pid"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time, so that two `start`s do not start everything twice."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (RUN_FOLDER / ".gitignore").write_text("*\n")
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _outdated(self, name: str, processes: Processes) -> bool:
        record = self.running(name)
        return record is None or record.command != processes.get(name)

    def _start(self, processes: Processes) -> None:
        fresh: dict[str, subprocess.Popen[bytes]] = {}
        failed: list[str] = []
        for name, command in processes.items():
            if record := self.running(name):
                self.say(f"{name} is already running (pid {record.pid}).")
                continue
            try:
                fresh[name] = self._spawn(name, command)
            except ProcessError as error:
                failed.append(error.message)
        _wait(lambda: all(child.poll() is not None for child in fresh.values()), GRACE_SECONDS)
        for name, child in fresh.items():
            if child.poll() is None:
                self.say(f"Started {name} (pid {child.pid}).")
            else:
                self._pid_file(name).unlink()
                failed.append(
                    f"{name} ended at once ({_ending(child.returncode)}). "
                    f"Read {self.log_file(name)}, correct the cause and start again."
                )
        if failed:
            raise ProcessError(" ".join(failed))

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        self._pid_file(name).unlink(missing_ok=True)  # left by a process that has ended
        self.detail(f"{name}: running {command}, output to {self.log_file(name)}")
        with self.log_file(name).open("ab") as log:
            try:
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # outlives the terminal; group id and pid are the same
                )
            except (OSError, ValueError) as error:
                raise ProcessError(
                    f"{name} cannot run {command[0]!r} ({error}). Correct its command in {FILE}."
                ) from error
        try:
            _write(self._pid_file(name), Record(child.pid, _started(child.pid) or "", command))
        except OSError:
            _signal_group(child.pid, signal.SIGKILL)  # without a pid file nobody could stop it
            raise
        return child

    def _stop(self, names: list[str]) -> None:
        records = {name: record for name in names if (record := self.running(name))}
        self._end(records, signal.SIGTERM, STOP_SECONDS)
        self._end(records, signal.SIGKILL, KILL_SECONDS)
        stuck = {name: record for name, record in records.items() if _group_lives(record)}
        for name in names:
            if name in stuck:
                continue
            self._pid_file(name).unlink()
            self.say(f"Stopped {name}." if name in records else f"{name} had already ended.")
        if stuck:
            pids = ", ".join(f"{name} (pid {record.pid})" for name, record in stuck.items())
            raise ProcessError(f"Could not stop {pids}. End it yourself, then stop again.")

    def _end(self, records: dict[str, Record], number: signal.Signals, seconds: float) -> None:
        """Signal the groups that still live and wait, `seconds` at the most, until none does."""
        for name, record in records.items():
            if _group_lives(record):
                self.detail(f"{name}: {number.name} to process group {record.pid}")
                _signal_group(record.pid, number)
        _wait(lambda: not any(map(_group_lives, records.values())), seconds)


def _read(path: Path) -> Record | None:
    """The record in a pid file; None if there is no file or no sense in it."""
    try:
        record = Record(**json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    # A signal to the "group" 0 or 1 would reach our own shell, or everything.
    sound = type(record.pid) is int and record.pid > 1 and isinstance(record.started, str)
    return record if sound else None


def _write(path: Path, record: Record) -> None:
    """Write a pid file so that no one ever reads half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(record)) + "\n")
    draft.replace(path)


def _lives(record: Record) -> bool:
    """Whether this very process runs, and not a later one that got its pid."""
    return _started(record.pid) == record.started


def _group_lives(record: Record) -> bool:
    """Whether the process, or a child that it left in its group, runs."""
    started = _started(record.pid)
    if started is not None:
        return started == record.started  # if not, the whole group ended and its id was reused
    if sys.platform == "linux":  # killpg would count zombies, and not every container reaps them
        group = str(record.pid)
        return any(_proc_stat(path)[:1] == [group] for path in Path("/proc").glob("[1-9]*"))
    return _signal_group(record.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    """Send a signal; whether anyone was there to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS forbids it when only zombies are left
        return False
    return True


def _started(pid: int) -> str | None:
    """When a process started, in the system's own terms; None if no such process runs."""
    if sys.platform == "linux":
        stat = _proc_stat(Path("/proc", str(pid)))
        # The number counts from the boot on, and pid files outlive a boot: so add which boot.
        boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else "unknown"
        return f"{stat[1]} after boot {boot}" if stat else None
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - found in defpath only
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},  # the same text whoever asks
    ).stdout.split(maxsplit=1)
    return answer[1].strip() if answer and not answer[0].startswith("Z") else None


def _proc_stat(process: Path) -> list[str]:
    """A process's group and start time from /proc/<pid>/stat; empty if it does not run."""
    try:
        # Counted from the ")", because the program's name before it may contain anything.
        fields = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
    # man proc numbers them from 1: state is field 3, pgrp 5, starttime 22.
    return [] if fields[0] in "ZX" else [fields[2], fields[19]]


def _wait(until: Callable[[], bool], seconds: float) -> None:
    """Return when the condition holds, or after `seconds` at the most."""
    deadline = time.monotonic() + seconds
    while not until() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _ending(code: int) -> str:
    """A return code in words."""
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
