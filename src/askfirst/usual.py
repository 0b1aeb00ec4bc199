"""The usual run of a user who said Yes, whole: form an event, queue it, see whether to deliver.

What was decided and compiled at the Yes is remembered: beside the queue lies a file with the
contract in short. Its seal is a hash over itself, the dotfile (which holds the UUID), the identity
of the contract's file, and the versions of the tool and of this package: whatever changes unmakes
it, and who cannot read the dotfile cannot forge it. All else is left to `client.recording`.

One module outside of any package, each costs 0.1 ms; so it is below `contract` and `client`. What
forms an event here is what `contract.event` and the collector call.
"""

import os
import sys
import time

from askfirst import __version__, read_file

# the C module alone: hashlib costs ten times as much to import
try:
    if sys.version_info >= (3, 12):
        from _sha2 import sha256  # type: ignore[import-not-found, unused-ignore]
    else:
        from _sha256 import sha256  # type: ignore[import-not-found, unused-ignore]
except ImportError:  # not CPython
    from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from askfirst import Telemetry

REMEMBERED, QUEUE, SCHEDULE = "remembered", "queue", "schedule"
FORM = 1  # of that file
MOST_BYTES = 1_000_000  # of it
MOST_QUEUED = 1_000_000  # bytes, about 3,000 events; past it `queue` drops the oldest half
LONGEST_PAUSE_MS = 7 * 86_400_000  # a later date was written by a clock that was wrong
OTHER = "other"  # what a `choice` sends for a value that is not declared
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

    `answers` is the dotfile. False if this is no usual run, and nothing was done. Raises OSError
    if the event cannot be kept, and has counted it then.
    """
    name, _ = telemetry.name_and_state()
    if forbids(name, telemetry.env) is not None:
        return True
    home = find_home(telemetry.env)
    folder = find_folder(home, name, telemetry.env)
    rows = recall(telemetry, answers, folder) if home else None
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
    if not add(folder, as_line(digest, line)):
        if telemetry.answers() != answers:
            return False  # an `off` since then deleted the queue
        from askfirst.client import queue

        queue.append(folder, digest, line)
    if is_due(read_file(os.path.join(folder, SCHEDULE), 64) or b"", now_ms()):
        from askfirst.client import find_in, spawn

        places = find_in(home, *telemetry.name_and_state(), telemetry.env)
        spawn.deliver_if_due(telemetry, places)
    return True


def is_agreed(telemetry: "Telemetry", answers: bytes) -> bool:
    """Tell whether a Yes to all that the contract collects is remembered."""
    home = find_home(telemetry.env)
    folder = find_folder(home, telemetry.name_and_state()[0], telemetry.env)
    return home != "" and recall(telemetry, answers, folder) is not None


def recall(telemetry: "Telemetry", answers: bytes, folder: str) -> "list[str] | None":
    """Return what is remembered of a Yes that covers the contract, or None.

    The digest, where in the dotfile the UUID is, commands (or NO_COMMAND), fields.
    """
    raw = read_file(os.path.join(folder, REMEMBERED), MOST_BYTES) or b""
    sealed, _, body = raw.partition(b"\n")
    if not body or sealed != seal(telemetry, answers, body):
        return None
    return body.decode("utf-8").split("\n")


def seal(telemetry: "Telemetry", answers: bytes, body: bytes) -> bytes:
    """Return what a remembered `body` is sealed with while the dotfile holds `answers`."""
    about = repr((__version__, FORM, telemetry.version, identify(telemetry)))
    sealed = body + about.encode("utf-8", "surrogatepass") + answers
    return hash_bytes(sealed).encode("ascii")


def identify(telemetry: "Telemetry") -> "tuple[object, ...]":
    """Return what tells the contract's file from a changed one, or () if it was not looked at.

    Installers set its mtime, nobody its ctime.
    """
    stat = telemetry.stat
    if stat is None:
        return ()
    times = stat.st_mtime_ns, stat.st_ctime_ns
    return telemetry.path, stat.st_dev, stat.st_ino, stat.st_size, *times


def treated(
    fields: "list[str]", values: "Mapping[str, object]", installation: str
) -> "dict[str, str | bool]":
    """Return values as they may leave the machine, by `client.compile_fields`.

    What its author got wrong costs the field, not the event.
    """
    treated: dict[str, str | bool] = {}
    for row in fields:
        name, treatment, *parts = row.split("\t")
        value = values.get(name)
        if value is None:
            continue
        known: Sequence[Any] = parts
        if treatment == "bucket":
            known = [int(n) if n.lstrip("-").isdigit() else float(n) for n in parts]
        try:
            ready = treat(treatment, known, value, installation)
        except TypeError:
            continue
        if ready is not None:
            treated[name] = ready
    return treated


def as_line(digest: str, event: bytes) -> bytes:
    """Return the line of an event in a queue file; `queue` says why it has this form."""
    return b"\n" + digest.encode("ascii") + b" " + event + b"\n"


def add(folder: str, line: bytes) -> bool:
    """Add a line to the queue; False if that is not plainly possible, and then it is not there.

    Looks again after locking: a sender may have renamed the file in between.
    """
    path = os.path.join(folder, QUEUE)
    fd = -1
    try:
        import fcntl

        fd = os.open(path, OPEN, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, linked = os.fstat(fd), os.stat(path)
        same = (mine.st_ino, mine.st_dev) == (linked.st_ino, linked.st_dev)
        if not same or mine.st_mode & 0o170600 != 0o100600 or mine.st_size > MOST_QUEUED:
            os.fchmod(fd, 0o600)  # the umask may have made it of no use
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
    """Return why nothing may be sent or asked, a key of `consent.REASONS`, and by which variable.

    The environment can only ever turn off.
    """
    here = set(env)  # a look-up of what is not in os.environ costs more than all of this
    for name in CI_VARIABLES:
        if name in here and env[name].lower() not in _NOT_SET:
            return "ci", name
    if "DO_NOT_TRACK" in here and env["DO_NOT_TRACK"].lower() not in _NOT_SET:
        return "do-not-track", ""
    if "ASKFIRST_TELEMETRY" in here and env["ASKFIRST_TELEMETRY"].lower() not in _ON:
        return "variable", "ASKFIRST_TELEMETRY"
    own = tool.upper().replace("-", "_") + "_TELEMETRY"
    value = env[own].lower() if own in here else ""
    if value in _ON:
        return None
    return "log" if value == "log" else "variable", own


def find_home(env: "Mapping[str, str]") -> str:
    """Return the home folder, or "" when there is none that is this user's own, as under sudo."""
    home = env.get("USERPROFILE" if sys.platform == "win32" else "HOME", "")
    if not os.path.isabs(home):
        return ""
    try:
        owner = os.stat(home).st_uid
    except OSError:
        return ""
    return home if sys.platform == "win32" or owner == os.geteuid() else ""


def find_folder(home: str, name: str, env: "Mapping[str, str]") -> str:
    """Return the folder for what a tool has to send; it need not exist."""
    if sys.platform == "win32":
        place, state = env.get("LOCALAPPDATA", ""), os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        place, state = "", os.path.join(home, "Library", "Application Support")
    else:
        place, state = env.get("XDG_STATE_HOME", ""), home + "/.local/state"
    if place:
        state = own(place, state)
    return os.path.join(state, "askfirst", name)


def own(place: str, default: str, *others: int) -> str:
    """Return `place` if absolute and not in another user's folder, as under `sudo`; else `default`.

    Folders of `others` will do.
    """
    absolute = os.path.isabs(place)
    if sys.platform == "win32" or not absolute:
        return place if absolute else default
    try:
        return place if os.stat(place).st_uid in (os.geteuid(), *others) else default
    except FileNotFoundError:
        # root's may be everybody's, as /tmp is
        return (own(os.path.dirname(place), "", 0) and place) or default
    except OSError as error:
        return default if isinstance(error, PermissionError) else place


def treat(
    treatment: str, known: "Sequence[Any]", value: object, installation: str
) -> "str | bool | None":
    """Return `value` in the form that may leave the machine, or None if none of it may.

    `known` are a `choice`'s values, a `bucket`'s ascending bounds. Raises TypeError for others.
    """
    if treatment == "hash":
        if isinstance(value, (str, bool, int, float)):
            return hash_text(leaf_text(value), installation)
        raise TypeError(f"takes text or a number, not {type(value).__name__}")
    if treatment == "version":
        return value if isinstance(value, str) and _is_released(value) else None
    if treatment == "choice":
        return value if isinstance(value, str) and value in known else OTHER
    if treatment == "flag":
        if isinstance(value, bool):
            return value
        raise TypeError(f"takes True or False, not {type(value).__name__}")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:  # noqa: PLR0124 - not nan
        return bucket(known, sum([bound <= value for bound in known]))
    raise TypeError(f"takes a number, not {type(value).__name__}")


def bucket(bounds: "Sequence[object]", at: int) -> str:
    """Return the label of the bucket that has `at` of the bounds at or below it."""
    if at == 0:
        return f"<{bounds[0]}"
    return f"{bounds[at - 1]} to <{bounds[at]}" if at < len(bounds) else f">={bounds[-1]}"


def _is_released(text: str) -> bool:
    """Answer as `contract.version.is_released`, imported for more than numbers only."""
    numbers = text.split(".")
    if 2 <= len(numbers) <= 4 and all(n.isdigit() and len(n) <= 8 for n in numbers):
        return text.isascii()
    from askfirst.contract.version import is_released

    return is_released(text)


def hash_text(text: str, secret: str) -> str:
    """Return the hex SHA-256 (64 characters) of `secret` followed by `text`, as UTF-8."""
    # surrogatepass: a file name that is no UTF-8 reaches Python as lone surrogates
    return hash_bytes((secret + text).encode("utf-8", "surrogatepass"))


def hash_bytes(raw: bytes) -> str:
    """Return the hex SHA-256 (64 characters) of bytes."""
    digest: str = sha256(raw).hexdigest()
    return digest


def leaf_text(value: object) -> str:
    """Return the text of a leaf as JavaScript's `String` spells it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        from askfirst.contract.hashing import javascript_number

        return javascript_number(value)
    return str(value)


def as_wire(
    id: str,  # noqa: A002 - the wire's own word
    installation_id: str,
    timestamp: int,
    version: str,
    command: str,
    fields: "dict[str, str | bool]",
) -> "dict[str, object]":
    """Return an event in the shape it has on the wire, fields nested at their dots."""
    wire: dict[str, object] = {
        "id": id,
        "installationId": installation_id,
        "timestamp": timestamp,
        "cli": {"version": version, "command": command},
    }
    for name, value in fields.items():
        *parents, leaf = name.split(".")
        place = wire
        for parent in parents:
            place = place.setdefault(parent, {})  # type: ignore[assignment]
        place[leaf] = value
    return wire


def quoted(text: str) -> str:
    """Write text as JSON; importing the encoder costs more than writing what is plain."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"' + text + '"'  # not formatted: a host's enum of texts formats as its name
    from askfirst.contract.jsontext import encode_basestring_ascii

    return encode_basestring_ascii(text)


def dumps(value: object, quote: "Callable[[str], str]" = quoted) -> str:
    """Write a value as compact ASCII JSON. Raises TypeError for what is no JSON."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if value - value != 0:  # nan and infinity; importing math costs more than all else here
            raise ValueError(f"{value!r} is not JSON")
        return float.__repr__(value)
    if isinstance(value, dict):
        members = [f"{quote(key)}:{dumps(child, quote)}" for key, child in value.items()]
        return "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join([dumps(child, quote) for child in value]) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form")


def new_id(timestamp: int) -> str:
    """Make a UUID version 7 (RFC 9562, 5.7) for a moment in ms UTC."""
    noise = int.from_bytes(os.urandom(10), "big")
    value = (timestamp & 0xFFFF_FFFF_FFFF) << 80 | noise
    return uuid_text(value & ~(0xF000 << 64) | 0x7000 << 64)


def uuid_text(value: int) -> str:
    """Return the text of a UUID of RFC 9562's variant."""
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def now_ms() -> int:
    """Return the present moment in ms UTC."""
    return time.time_ns() // 1_000_000
