"""The usual run of a user who said Yes: what was decided and compiled then is remembered.

Beside the queue lies a file with the contract in short. It holds only together with the very bytes
of the dotfile, which hold the UUID, the very file of the contract, and the versions of the tool and
of this package: its seal is a hash over all of them and itself. So an `off`, an edited answer or a
wider contract unmakes it, and who cannot read the dotfile cannot forge it. Whatever is not as usual
is left to `recording`, which decides afresh and remembers.
"""

import os

from askfirst import __version__
from askfirst.client import read_file
from askfirst.client.surroundings import forbids
from askfirst.contract import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from askfirst.client import Telemetry
    from askfirst.contract.model import Contract

REMEMBERED, QUEUE, SCHEDULE = "remembered", "queue", "schedule"
FORM = 1  # of that file
MOST_BYTES = 1_000_000  # of it
MOST_QUEUED = 1_000_000  # bytes, about 3,000 events; past it `queue` drops the oldest half
LONGEST_PAUSE_MS = 7 * 86_400_000  # a later date was written by a clock that was wrong

OPEN = os.O_RDWR | os.O_APPEND | os.O_CREAT
OPEN |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def record(
    telemetry: "Telemetry", answers: bytes, command: str, values: "Mapping[str, object]"
) -> bool:
    """Queue the event of a command and start a delivery if one is due.

    `answers` is the dotfile. False if this is no usual run: then nothing was done yet.
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
    timestamp = wire.now_ms()
    event = wire.as_wire(
        wire.new_id(timestamp),
        wire.hash_text(installation, installation),
        timestamp,
        telemetry.version,
        command,
        _treated(fields, values, installation),
    )
    if not add(places.folder, as_line(digest, wire.dumps(event).encode("ascii"))):
        return False
    if is_due(read_file(os.path.join(places.folder, SCHEDULE), 64) or b"", wire.now_ms()):
        from askfirst.client import spawn

        spawn.deliver_if_due(telemetry, places)
    return True


def is_agreed(telemetry: "Telemetry", answers: bytes) -> bool:
    """Tell whether a Yes to all that the contract collects is remembered."""
    places = telemetry.places()
    return places is not None and recall(telemetry, answers, places.folder) is not None


def recall(telemetry: "Telemetry", answers: bytes, folder: str) -> "list[str] | None":
    """Return what is remembered of a Yes that covers the contract, or None.

    The contract's digest, where in the dotfile the UUID begins, the commands, then the fields.
    """
    seal, _, body = (read_file(os.path.join(folder, REMEMBERED), MOST_BYTES) or b"").partition(
        b"\n"
    )
    if not body or seal != _seal(telemetry, answers, body):
        return None
    return body.decode("utf-8").split("\n")


def remember(
    telemetry: "Telemetry", answers: bytes, installation: str, contract: "Contract", folder: str
) -> None:
    """Keep for the next run that `answers` hold a Yes that covers the contract, if there is room.

    Only a released version should come here: nothing else is recorded.
    """
    at = answers.find(installation.encode("ascii"))
    if not telemetry.identity or at < 0:
        return
    # no text of a contract has a tab or a line feed in it: see `contract.loading`
    fields = [
        (field.name, field.treatment, *field.values, *map(repr, field.buckets))
        for field in contract.fields.values()
    ]
    rows = [contract.digest, str(at), *map("\t".join, [contract.commands, *fields])]
    body = "\n".join(rows).encode("utf-8")
    path = os.path.join(folder, REMEMBERED)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_seal(telemetry, answers, body) + b"\n" + body)
        os.replace(temporary, path)
    except OSError:  # a full disk
        try:
            os.unlink(temporary)
        except OSError:
            pass


def _seal(telemetry: "Telemetry", answers: bytes, body: bytes) -> bytes:
    about = repr((__version__, FORM, telemetry.version, telemetry.identity))
    sealed = body + about.encode("utf-8", "surrogatepass") + answers
    return wire.hash_bytes(sealed).encode("ascii")


def _treated(
    fields: "list[str]", values: "Mapping[str, object]", installation: str
) -> "dict[str, str | bool]":
    """Return the values in the form that may leave the machine.

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
        field = wire.Field(name, treatment, "", tuple(choices), tuple(bounds))
        try:
            ready = wire.treat(field, value, installation)
        except wire.MalformedError:
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
