"""What runs inside other people's programs; standard library only, silent, about a millisecond.

Here is the usual run of a user who said Yes; one module, because each costs 0.1 ms. What was
decided and compiled at the Yes is remembered: beside the queue lies a file with the contract in
short. Its seal is a hash over itself, the bytes of the dotfile, which hold the UUID, the identity
of the contract's file, and the versions of the tool and of this package. So an `off`, an edited
answer or a wider contract unmakes it, and who cannot read the dotfile cannot forge it. Whatever is
not as usual is left to `recording`, which decides afresh and remembers.
"""

import os
import sys

from askfirst import __version__, read_file
from askfirst.contract import (
    Field,
    MalformedError,
    as_wire,
    dumps,
    hash_bytes,
    hash_text,
    new_id,
    now_ms,
    treat,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from askfirst import Telemetry
    from askfirst.contract.model import Contract

REMEMBERED, QUEUE, SCHEDULE = "remembered", "queue", "schedule"
FORM = 1  # of that file
MOST_BYTES = 1_000_000  # of it
MOST_QUEUED = 1_000_000  # bytes, about 3,000 events; past it `queue` drops the oldest half
LONGEST_PAUSE_MS = 7 * 86_400_000  # a later date was written by a clock that was wrong
NO_COMMAND = "\0"  # what is remembered where an installation does not take part

OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT
OPEN |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

# A build machine has no user to ask. Most set CI; these are the ones known not to, or not always.
CI_VARIABLES = (
    "CI",
    "CONTINUOUS_INTEGRATION",
    "BUILD_NUMBER",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "CODEBUILD_BUILD_ID",
    "BUILDKITE",
    "CIRCLECI",
    "TRAVIS",
    "APPVEYOR",
    "DRONE",
    "BITBUCKET_BUILD_NUMBER",
)

_NOT_SET = ("", "0", "false")
_ON = ("", "1", "on", "true", "yes")


def record(
    telemetry: "Telemetry", answers: bytes, command: str, values: "Mapping[str, object]"
) -> bool:
    """Queue the event of a command and start a delivery if one is due.

    `answers` is the dotfile. False if this is no usual run: then nothing was done yet. Raises
    OSError if the event cannot be kept, and has counted it then.
    """
    if forbids(telemetry.name_and_state()[0], telemetry.env) is not None:
        return True
    places = telemetry.places()
    if places is None:
        return False
    rows = recall(telemetry, answers, places.folder)
    if rows is None:
        return False
    digest, at, commands, *fields = rows
    if command not in commands.split("\t"):
        return True
    installation = answers[int(at) : int(at) + 36].decode("ascii")
    timestamp = now_ms()
    event = as_wire(
        new_id(timestamp),
        hash_text(installation, installation),
        timestamp,
        telemetry.version,
        command,
        treated(fields, values, installation),
    )
    line = dumps(event).encode("ascii")
    if not add(places.folder, as_line(digest, line)):
        if telemetry.answers() != answers:
            return False  # an `off` since then deleted the queue
        from askfirst.client import queue

        queue.append(places.folder, digest, line)
    if is_due(read_file(os.path.join(places.folder, SCHEDULE), 64) or b"", now_ms()):
        from askfirst.client import spawn

        spawn.deliver_if_due(telemetry, places)
    return True


def is_agreed(telemetry: "Telemetry", answers: bytes) -> bool:
    """Tell whether a Yes to all that the contract collects is remembered."""
    places = telemetry.places()
    return places is not None and recall(telemetry, answers, places.folder) is not None


def recall(telemetry: "Telemetry", answers: bytes, folder: str) -> "list[str] | None":
    """Return what is remembered of a Yes that covers the contract, or None.

    The contract's digest, where in the dotfile the UUID begins, the commands (NO_COMMAND where this
    installation is not in the sample), then the fields.
    """
    seal, _, body = (read_file(os.path.join(folder, REMEMBERED), MOST_BYTES) or b"").partition(
        b"\n"
    )
    if not body or seal != _seal(telemetry, answers, body):
        return None
    return body.decode("utf-8").split("\n")


def remember(
    telemetry: "Telemetry",
    answers: bytes,
    installation: str,
    contract: "Contract",
    folder: str,
    *,
    takes_part: bool = True,
) -> None:
    """Keep for the next run that `answers` hold a Yes that covers the contract, if there is room.

    Only a released version should come here: nothing else is recorded.
    """
    at = answers.find(installation.encode("ascii"))
    if not telemetry.identity or at < 0:
        return
    commands = "\t".join(contract.commands) if takes_part else NO_COMMAND
    rows = [contract.digest, str(at), commands, *compile_fields(contract)]
    body = "\n".join(rows).encode("utf-8")
    from askfirst.client.folders import put

    put(os.path.join(folder, REMEMBERED), _seal(telemetry, answers, body) + b"\n" + body)


def _seal(telemetry: "Telemetry", answers: bytes, body: bytes) -> bytes:
    about = repr((__version__, FORM, telemetry.version, telemetry.identity))
    sealed = body + about.encode("utf-8", "surrogatepass") + answers
    return hash_bytes(sealed).encode("ascii")


def compile_fields(contract: "Contract") -> "list[str]":
    """Return a line for each field; no text of a contract has a tab or a line feed in it."""
    return [
        "\t".join((field.name, field.treatment, *field.values, *map(repr, field.buckets)))
        for field in contract.fields.values()
    ]


def treated(
    fields: "list[str]", values: "Mapping[str, object]", installation: str
) -> "dict[str, str | bool]":
    """Return the values in the form that may leave the machine, by `compile_fields`.

    What its author got wrong costs the field, not the event.
    """
    treated: dict[str, str | bool] = {}
    for row in fields:
        name, _, rest = row.partition("\t")
        value = values.get(name)
        if value is None:
            continue
        treatment, *parts = rest.split("\t")
        choices, bounds = (parts, ()) if treatment == "choice" else ((), map(_number, parts))
        field = Field(name, treatment, "", tuple(choices), tuple(bounds))
        try:
            ready = treat(field, value, installation)
        except MalformedError:
            continue
        if ready is not None:
            treated[name] = ready
    return treated


def _number(text: str) -> "int | float":
    return int(text) if text.lstrip("-").isdigit() else float(text)


def as_line(digest: str, event: bytes) -> bytes:
    """Return the line of an event in a queue file; `queue` says why it has this form."""
    return b"\n" + digest.encode("ascii") + b" " + event + b"\n"


def add(folder: str, line: bytes) -> bool:
    """Add a line to the queue; False if that is not plainly possible, and then it is not there.

    Looks again after locking, as `queue` does: a sender may have renamed the file in between.
    """
    path = os.path.join(folder, QUEUE)
    fd = -1
    try:
        import fcntl

        fd = os.open(path, OPEN, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, linked = os.fstat(fd), os.stat(path)
        same = (mine.st_ino, mine.st_dev) == (linked.st_ino, linked.st_dev)
        if not same or mine.st_mode & 0o170000 != 0o100000 or mine.st_size > MOST_QUEUED:
            return False
        if os.write(fd, line) == len(line):
            return True
        os.ftruncate(fd, mine.st_size)  # the disk is full: leave no torn line
    except (ImportError, OSError):  # Windows; or no folder yet, a full disk, another's lock
        pass
    finally:
        if fd >= 0:
            os.close(fd)
    return False


def is_due(schedule: bytes, now: int) -> bool:
    """Tell whether a delivery may start at `now` (ms UTC), by what a schedule file holds."""
    not_before = schedule.partition(b" ")[0]
    return not (not_before.isdigit() and now < int(not_before) <= now + LONGEST_PAUSE_MS)


def forbids(tool: str, env: "Mapping[str, str]") -> "tuple[str, str] | None":
    """Return the reason why nothing may be sent or asked, and the variable that says so, or None.

    The environment can only ever turn off. The reason is a key of `consent.REASONS`.
    """
    here = set(env)  # a look-up of what is not in os.environ costs more than all of this
    if not here.isdisjoint(CI_VARIABLES):
        for name in CI_VARIABLES:
            if name in here and env[name].lower() not in _NOT_SET:
                return "ci", name
    if env.get("DO_NOT_TRACK", "").lower() not in _NOT_SET:
        return "do-not-track", ""
    if env.get("ASKFIRST_TELEMETRY", "").lower() not in _ON:
        return "variable", "ASKFIRST_TELEMETRY"
    own = tool.upper().replace("-", "_") + "_TELEMETRY"
    value = env.get(own, "").lower()
    if value in _ON:
        return None
    return "log" if value == "log" else "variable", own


class Places:
    """The dotfile's path, and the folder for what waits to be sent. Neither need exist."""

    __slots__ = ("dotfile", "folder")

    def __init__(self, dotfile: str, folder: str) -> None:
        self.dotfile = dotfile
        self.folder = folder


def find(name: str, state: str, env: "Mapping[str, str]") -> "Places | None":
    """Return the places of a tool, or None when there is no home that is this user's own.

    `state` is the contract's: "home" (~/.<tool>) or "xdg". Under sudo the home can belong to
    somebody else; then there is no place, so that no file of another owner is left in it.
    """
    home = env.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")
    if not os.path.isabs(home):
        return None
    try:
        owner = os.stat(home).st_uid
    except OSError:
        return None
    if sys.platform != "win32" and owner != os.geteuid():
        return None
    if state == "xdg":
        dotfile = os.path.join(_config(home, env), name, "telemetry.json")
    else:
        dotfile = os.path.join(home, "." + name)
    return Places(dotfile, os.path.join(_state(home, env), "askfirst", name))


def _config(home: str, env: "Mapping[str, str]") -> str:
    if sys.platform == "win32":
        return _absolute(env.get("APPDATA"), os.path.join(home, "AppData", "Roaming"))
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    return _absolute(env.get("XDG_CONFIG_HOME"), os.path.join(home, ".config"))


def _state(home: str, env: "Mapping[str, str]") -> str:
    if sys.platform == "win32":
        return _absolute(env.get("LOCALAPPDATA"), os.path.join(home, "AppData", "Local"))
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    state = _absolute(env.get("XDG_STATE_HOME"), "")
    if state and _is_anothers(state):
        state = ""
    return state or os.path.join(home, ".local", "state")


def _is_anothers(folder: str) -> bool:
    """Tell whether a folder is another user's, as under `sudo -E`."""
    try:
        return os.stat(folder).st_uid != os.geteuid()
    except OSError:
        return False


def _absolute(path: "str | None", default: str) -> str:
    """Take an absolute path only (XDG Base Directory specification)."""
    return path if path and os.path.isabs(path) else default
