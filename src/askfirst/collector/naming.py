"""The name of this collector in a store that it shares with others."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from askfirst.collector import config as settings
from askfirst.collector import private
from askfirst.stores.base import Store
from askfirst.stores.opening import open_store

FILE = "name"


def open_own(
    place: str, environ: Mapping[str, str], *, create: bool = True, patient: bool = False
) -> Store:
    """Open the store at a path or URL, as `open_store`, for the collector whose logs lie beside it.

    Raises StoreError, OSError.
    """
    folder = settings.beside(place, "-log", environ)
    has_logs = create or (folder / FILE).exists()  # who only asks leaves nothing behind
    name = name_of(folder) if "://" in place and has_logs else ""
    return open_store(place, create=create, collector=name, patient=patient)


def name_of(folder: Path) -> str:
    """Return the name that the logs in a folder go by, made at first.

    It lies with the logs: a log that is gone must not be taken for the one that follows it. Raises
    OSError.
    """
    private.make_folder(folder)
    path = folder / FILE
    if not path.exists():
        part = private.write_part(path, secrets.token_hex(8))
        try:
            os.link(part, path)  # two processes that start together agree on one
        except FileExistsError:
            pass
        finally:
            part.unlink()
        private.sync_folder(folder)
    return path.read_text(encoding="ascii")
