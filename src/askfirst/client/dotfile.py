"""~/.<tool>: the answers and the installation's UUID, the file that the wolkenkit CLI wrote too."""

import errno
import os

from askfirst import MOST_ANSWERS, read_file
from askfirst.client.folders import can_write, make_folder, replace
from askfirst.contract.event import is_uuid, new_installation
from askfirst.contract.jsontext import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from askfirst.contract.model import Contract


class Dotfile:
    """What a dotfile says. `status` is "missing", "read" or "unreadable"."""

    __slots__ = ("data", "status")

    def __init__(self, status: str, data: "dict[str, object]") -> None:
        self.status = status
        self.data = data

    @property
    def answers(self) -> "dict[str, dict[str, object]]":
        """The answers by version of the CLI; whatever has no yes or no in it is left out."""
        versions = self.data.get("versions")
        if not isinstance(versions, dict):
            return {}
        return {
            version: answer
            for version, answer in versions.items()
            if isinstance(answer, dict) and isinstance(answer.get("sendTelemetry"), bool)
        }

    @property
    def installation(self) -> str:
        """The installation's UUID, or ''."""
        value = self.data.get("installationId")
        return value if isinstance(value, str) and is_uuid(value.lower()) else ""

    @property
    def erasing(self) -> str:
        """The hash of an installation that the collector has still to forget, or ''."""
        value = self.data.get("erasing")
        return value if isinstance(value, str) else ""


def read(path: str) -> Dotfile:
    """Read a dotfile; never raises, never blocks, never reads more than MOST_ANSWERS bytes."""
    return understand(read_file(path, MOST_ANSWERS))


def understand(raw: "bytes | None") -> Dotfile:
    """Take a dotfile's bytes, as `read_file` gives them; never raises."""
    if raw is None:
        return Dotfile("unreadable", {})
    if not raw:  # none, or what a full disk leaves of a careless write
        return Dotfile("missing", {})
    try:
        data = loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return Dotfile("unreadable", {})
    return Dotfile("read", data) if isinstance(data, dict) else Dotfile("unreadable", {})


def agree(
    path: str, version: str, contract: "Contract", today: str, *, overrule: bool = False
) -> Dotfile:
    """Record a Yes to `contract` for `version`; makes the UUID if there is none.

    `today` is an ISO day, UTC. `overrule` takes back every No but those to older versions. Raises
    OSError.
    """

    def change(data: "dict[str, object]") -> None:
        if not Dotfile("read", data).installation:
            data["installationId"] = new_installation()
        versions = _versions(data)
        if overrule:
            from askfirst.contract.version import is_newer

            for other, answer in Dotfile("read", data).answers.items():
                if not (answer["sendTelemetry"] or is_newer(version, other)):
                    del versions[other]
        versions[version] = {
            "sendTelemetry": True,
            "decidedAt": today,
            "contract": contract.digest,
            "agreed": contract.agreement(),
        }

    return _edit(path, change)


def refuse(
    path: str, version: str, today: str, *, revoked: bool = False, erasing: bool = False
) -> Dotfile:
    """Record a No for `version`, make every earlier answer No, and delete the UUID.

    `revoked` marks a `telemetry off`: no version asks again. `erasing` keeps the installation's
    hash until the collector has forgotten it; meanwhile nothing is recorded.
    """

    def change(data: "dict[str, object]") -> None:
        uuid = data.pop("installationId", None)
        if erasing and isinstance(uuid, str) and not Dotfile("read", data).erasing:
            from askfirst.contract.hashing import hash_text

            data["erasing"] = hash_text(uuid, uuid)
        versions = _versions(data)
        for answer in versions.values():
            if isinstance(answer, dict):
                answer["sendTelemetry"] = False
                answer.pop("agreed", None)
                answer.pop("contract", None)
                if revoked:
                    answer["revoked"] = today
        answer = {"sendTelemetry": False, "decidedAt": today}
        versions[version] = {**answer, "revoked": today} if revoked else answer

    return _edit(path, change)


def erased(path: str, installation: str) -> Dotfile:
    """Note that the collector has forgotten the installation of this hash."""

    def change(data: "dict[str, object]") -> None:
        if data.get("erasing") == installation:
            del data["erasing"]

    return _edit(path, change)


def is_writable(path: str) -> bool:
    """Tell whether an answer could be kept; who cannot keep it should not ask."""
    return can_write(os.path.dirname(os.path.realpath(path))) and not os.path.isdir(path)


def _versions(data: "dict[str, object]") -> "dict[str, object]":
    versions = data.get("versions")
    if not isinstance(versions, dict):
        versions = {}
        data["versions"] = versions
    return versions


def aside(path: str) -> str:
    """Return where a file is kept that was no dotfile: whatever it was, it is not ours to lose."""
    return os.path.realpath(path) + ".unreadable"


def _edit(path: str, change: "Callable[[dict[str, object]], None]") -> Dotfile:
    """Read, change and replace the file, one process at a time; unknown keys are kept.

    What it returns has the status that was found.
    """
    import json

    from askfirst.client.lock import hold_folder

    target = os.path.realpath(path)  # a link from somebody's dotfiles repository stays a link
    folder = os.path.dirname(target)
    make_folder(folder)
    with hold_folder(folder):
        found = read(target)
        if found.status == "unreadable":
            if os.path.isdir(target):
                # the host program's own, perhaps
                why = 'Is a directory; the contract has to set state = "xdg"'
                raise IsADirectoryError(errno.EISDIR, why, target)
            os.replace(target, aside(target))
        change(found.data)
        replace(target, json.dumps(found.data, indent=2).encode() + b"\n")
        if "installationId" not in found.data:
            for name in os.listdir(folder):  # a process that was killed may have left it
                stem, _, number = name[:-4].rpartition(".")
                if name.endswith(".tmp") and number.isdigit() and stem == os.path.basename(target):
                    os.unlink(os.path.join(folder, name))
    return found
