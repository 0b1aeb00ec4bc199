"""Where the dotfile and the state folder are on this machine."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


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


def make_folder(path: str) -> None:
    """Make a folder and those above it for this user alone (XDG), whatever the umask is."""
    above = os.path.dirname(path)
    if above != path and not os.path.isdir(above):
        make_folder(above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass


def can_write(folder: str) -> bool:
    """Tell whether files can be made in a folder, or in one that can be made here."""
    while not os.path.lexists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)
