"""What a collector is told when it starts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from askfirst.collector import limits, log
from askfirst.contract.model import Contract
from askfirst.stores.base import StoreError
from askfirst.stores.opening import identity, path_of


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may do. 0 switches a limit off.

    `requests_per_minute` and `burst` are of one client, at each process; `events_per_day` of one
    installation; `trusted_proxies` are networks whose word is taken for who the client is.
    """

    header_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 15.0
    requests_per_minute: int = limits.REQUESTS_PER_MINUTE
    burst: int = limits.REQUESTS_BURST
    events_per_day: int = 0
    trusted_proxies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a collector: at most one contract of a tool, sizes in bytes, times in
    seconds.
    """

    contracts: tuple[Contract, ...]
    log_folder: Path
    token: str | None = field(repr=False)  # None: no token is needed
    store: Path | None = None  # where the embedded store's file is
    ack: str = "log"  # where events are when they are acknowledged: in the log, or in the "store"
    workers: int = 1  # from 2 on, processes of their own take the events
    segment_bytes: int = log.SEGMENT_BYTES
    waiting_bytes: int = log.WAITING_BYTES
    quota_bytes: int = log.QUOTA_BYTES  # of all logs together
    patience: float = 30.0  # how long an answer or an erasure waits for the loader
    limits: Limits = field(default_factory=Limits)
    public_file: Path | None = None  # where public figures are kept; None: none are public
    public_threshold: int = 10  # installations, below which a group does not show in them
    public_secret: bytes = field(default=b"", repr=False)  # decides how they are rounded


def data_folder(environ: Mapping[str, str]) -> Path:
    """Return where a store lives unless it is told otherwise: `$XDG_DATA_HOME/askfirst`."""
    return _base(environ, "XDG_DATA_HOME", ".local/share") / "askfirst"


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return where the token is kept: `$XDG_STATE_HOME/askfirst`."""
    return _base(environ, "XDG_STATE_HOME", ".local/state") / "askfirst"


def default_store(environ: Mapping[str, str]) -> Path:
    """Return the file of the embedded store that is used when none is named."""
    return data_folder(environ) / "askfirst.duckdb"


def place_of(store: str | None, environ: Mapping[str, str]) -> str:
    """Return the URL of a store, or the path of its file as `path_of`; None is the default.

    Whoever reads where a store is begins with this. Raises StoreError.
    """
    if store and "://" in store:
        return store
    return str(path_of(store or str(default_store(environ))))


def beside(store: str, suffix: str, environ: Mapping[str, str]) -> Path:
    """Return the path of something kept beside a store: `<store path><suffix>`.

    A store on another machine (a URL) has no place beside it; then it is in the data folder, as
    `collector-<hash of scheme, host, port and database><suffix>`. Raises StoreError.
    """
    if "://" in store:
        digest = hashlib.sha256(identity(store).encode()).hexdigest()[:12]
        path = data_folder(environ) / f"collector-{digest}"
    else:
        path = Path(store)
    return path.with_name(path.name + suffix)


def _base(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    value = environ.get(variable, "")
    if os.path.isabs(value):  # noqa: PTH117 - the specification: a relative one is ignored
        return Path(value)
    try:
        return Path(environ.get("HOME") or Path.home()) / fallback
    except RuntimeError:  # a user that the machine does not know, as a container may have
        raise StoreError(f"this user has no home folder; set HOME or {variable}") from None
