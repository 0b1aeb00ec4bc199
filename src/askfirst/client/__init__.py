"""What runs inside other people's programs; standard library only, silent, about a millisecond.

Here: where a tool's files are, and how a Yes is remembered for `askfirst.usual`.
"""

import os
import sys

from askfirst.usual import (
    NO_COMMAND,
    REMEMBERED,
    find_folder,
    find_home,
    identify,
    own,
    seal,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from askfirst import Telemetry
    from askfirst.contract.model import Contract


class Places:
    """The dotfile's path, and the folder for what waits to be sent. Neither need exist."""

    __slots__ = ("dotfile", "folder")

    def __init__(self, dotfile: str, folder: str) -> None:
        self.dotfile = dotfile
        self.folder = folder


def find(name: str, state: str, env: "Mapping[str, str]") -> "Places | None":
    """Return the places of a tool, or None when there is no home that is this user's own.

    `state` is the contract's: "home" (~/.<tool>) or "xdg".
    """
    home = find_home(env)
    return find_in(home, name, state, env) if home else None


def find_in(home: str, name: str, state: str, env: "Mapping[str, str]") -> Places:
    """Return the places of a tool in a home that `find_home` gave."""
    if state == "xdg":
        dotfile = os.path.join(_config(home, env), name, "telemetry.json")
    else:
        dotfile = os.path.join(home, "." + name)
    return Places(dotfile, find_folder(home, name, env))


def _config(home: str, env: "Mapping[str, str]") -> str:
    if sys.platform == "win32":
        return own(env.get("APPDATA", ""), os.path.join(home, "AppData", "Roaming"))
    if sys.platform == "darwin":
        return os.path.join(home, "Library", "Application Support")
    return own(env.get("XDG_CONFIG_HOME", ""), os.path.join(home, ".config"))


def remember(
    telemetry: "Telemetry",
    answers: bytes,
    installation: str,
    contract: "Contract",
    folder: str,
    *,
    takes_part: bool = True,
) -> None:
    """Keep for the next run of this release that `answers` hold a Yes that covers the contract."""
    at = answers.find(installation.encode("ascii"))
    if not identify(telemetry) or at < 0:
        return
    commands = "\t".join(contract.commands) if takes_part else NO_COMMAND
    rows = [contract.digest, str(at), commands, *compile_fields(contract)]
    body = "\n".join(rows).encode("utf-8")
    from askfirst.client.folders import put

    put(os.path.join(folder, REMEMBERED), seal(telemetry, answers, body) + b"\n" + body)


def compile_fields(contract: "Contract") -> "list[str]":
    """Return a line for each field; no text of a contract has a tab or a line feed in it."""
    return [
        "\t".join((field.name, field.treatment, *field.values, *map(repr, field.buckets)))
        for field in contract.fields.values()
    ]
