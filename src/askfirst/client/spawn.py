"""Start the sender when a delivery is due: detached, silent, at most one at a time."""

import os
import sys

from askfirst import HERE, read_file
from askfirst.client.folders import make_folder, open_own
from askfirst.client.lock import try_lock
from askfirst.usual import LONGEST_PAUSE_MS, SCHEDULE, dumps, is_due, now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from askfirst import Telemetry
    from askfirst.client import Places
    from askfirst.contract.model import Contract

SENDER = "ASKFIRST_SENDER"  # the variable that holds a sender's work
PATHS = {"dotfile", "folder"}
# collecting garbage costs 5 % of a process that ends before it has any
_START = "import gc, sys; gc.disable(); sys.path.append(sys.argv[1])"
_START += "; from askfirst.client.sender import main; main()"


def deliver_if_due(telemetry: "Telemetry", places: "Places") -> None:
    """Start a sender unless it is too early for one."""
    if SENDER in os.environ:
        return  # a program that was started as a sender and did not become one starts no other
    if not claim(places.folder, now_ms(), int(telemetry.deliver_every * 1000)):
        return
    try:
        contract = os.open(telemetry.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except OSError:  # inside an archive
        contract = telemetry.source.open()
    try:
        telemetry.child = start(job(telemetry, places), contract, dict(telemetry.env))
    finally:
        os.close(contract)


def collector_url(contract: "Contract", env: "Mapping[str, str]") -> str:
    """Return where to deliver: the contract's collector, or a loopback ASKFIRST_COLLECTOR."""
    from askfirst.contract.loading import collector_url

    return collector_url(contract, env)


def job(telemetry: "Telemetry", places: "Places") -> "dict[str, object]":
    """Return what a sender has to know but for the contract; it is passed in the environment."""
    return {
        "version": telemetry.version,
        "dotfile": places.dotfile,
        "folder": places.folder,
        "deliver_every": telemetry.deliver_every,
    }


def read_schedule(folder: str) -> "tuple[int, int]":
    """Return (not before, in ms UTC; how many deliveries failed in a row)."""
    return _understand(read_file(os.path.join(folder, SCHEDULE), 64) or b"")


def write_schedule(folder: str, next_at: int, failures: int) -> None:
    """Set when the next delivery may start (ms UTC)."""
    fd = open_own(os.path.join(folder, SCHEDULE))
    try:
        _write(fd, next_at, failures)
    finally:
        os.close(fd)


def _understand(raw: bytes) -> "tuple[int, int]":
    words = raw.split()
    if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
        return int(words[0]), int(words[1])
    return 0, 0


def _write(fd: int, next_at: int, failures: int) -> None:
    """Write over what is there: on a full disk an emptied file would stay empty, which is "now"."""
    text = f"{next_at:020} {failures:06}\n".encode("ascii")
    os.lseek(fd, 0, os.SEEK_SET)
    os.write(fd, text)
    os.ftruncate(fd, len(text))


def claim(folder: str, now: int, every: int) -> bool:
    """Tell whether a delivery is due, and if so keep other processes from starting one too."""
    make_folder(folder)
    fd = open_own(os.path.join(folder, SCHEDULE))
    try:
        if try_lock(fd) is False:
            return False  # without locks, a few senders may start at once; all but one then end
        schedule = os.read(fd, 64)
        if not is_due(schedule, now):
            return False
        _write(fd, now + min(every, LONGEST_PAUSE_MS), _understand(schedule)[1])
        return True
    finally:
        os.close(fd)


def reap(telemetry: "Telemetry") -> None:
    """Wait for what forked a sender, if it has ended: it would stay as a zombie."""
    try:
        if os.waitpid(telemetry.child, os.WNOHANG)[0] == 0:
            return
    except OSError:
        pass  # the host has waited for it
    telemetry.child = 0


def start(work: "dict[str, object]", contract: int, env: "dict[str, str]") -> int:
    """Start a sender in a session of its own that holds nothing of this process.

    Returns the child that forks it and ends, or 0. `contract` is a descriptor of the contract's
    text, the sender's stdin: it may be too large for the environment, and arguments are public.
    """
    if not sys.executable:
        return 0  # embedded: what is queued waits for `telemetry send`
    # a sender may decode paths in another way: -I ignores PYTHONUTF8
    raw = {key: os.fsencode(str(work[key])).decode("latin-1") for key in PATHS & work.keys()}
    env[SENDER] = dumps({**work, **raw})
    argv = [sys.executable, "-I", "-S", "-c", _START, _root()]
    if getattr(sys, "frozen", False):
        argv = [sys.executable]
        # PyInstaller's one file would otherwise run from our folder, which is deleted when we end
        env["PYINSTALLER_RESET_ENVIRONMENT"] = "1"
    if sys.platform == "win32":
        _start_on_windows(argv, contract, env)
        return 0
    if contract == 0:  # the host has no stdin; then there is nothing to be copied
        os.set_inheritable(contract, True)
    nothing = os.devnull
    actions = [
        (os.POSIX_SPAWN_DUP2, contract, 0),
        (os.POSIX_SPAWN_OPEN, 1, nothing, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, nothing, os.O_WRONLY, 0),
        *[(os.POSIX_SPAWN_CLOSE, fd) for fd in _inherited()],
    ]
    try:
        return os.posix_spawn(sys.executable, argv, env, file_actions=actions, setsid=True)
    except NotImplementedError:  # macOS; the sender then leaves the session itself
        return os.posix_spawn(sys.executable, argv, env, file_actions=actions)


def _root() -> str:
    return os.path.dirname(os.path.dirname(HERE))


def _inherited() -> "list[int]":
    """Return what would be left open in a frozen sender; else the sender itself closes all."""
    if not getattr(sys, "frozen", False):
        return []
    found = []
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                found.append(int(name))
        except OSError:
            continue  # what listed the folder is closed again
    return found


def _start_on_windows(argv: "list[str]", contract: int, env: "dict[str, str]") -> None:
    import subprocess

    flags = 0x0800_0000 | 0x0000_0008  # CREATE_NO_WINDOW | DETACHED_PROCESS
    subprocess.Popen(  # noqa: S603 - our own interpreter and code
        argv,
        env=env,
        stdin=contract,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        creationflags=flags,
        close_fds=True,
    )
