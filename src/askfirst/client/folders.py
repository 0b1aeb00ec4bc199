"""Making the folders that our files are in."""

import os


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
