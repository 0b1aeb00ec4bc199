"""A name that stands for this machine, for as long as a test takes."""

from __future__ import annotations

import fcntl
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

HOSTS = Path("/etc/hosts")
NAME = "telemetry.wolkenkit.io"
ADDRESS = "127.0.0.43"  # loopback, and most likely nobody else's
PORT = 443
PATIENCE_S = 600  # for the tests of another process that hold the name

# begins with a line feed: the file need not end with one, and is to be as it was
ENTRY = f"\n{ADDRESS} {NAME} # for a test of askfirst\n".encode()


@contextmanager
def here() -> Iterator[None]:
    """Let NAME stand for ADDRESS; skip the test where that is not possible.

    One process at a time, by a lock on the hosts file, which is written in place: in a container it
    is mounted and cannot be replaced. An entry that a killed run left behind goes too.
    """
    try:
        file = HOSTS.open("r+b", buffering=0)
    except OSError as error:
        pytest.skip(f"{HOSTS} cannot be written ({error.strerror}): {NAME} must be this machine")
    with file:
        _lock(file)
        try:
            _write(file, _others(file) + ENTRY)
            _check()
            yield
        finally:
            _write(file, _others(file))


def _lock(file: BinaryIO) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            assert time.monotonic() < deadline, f"another process holds {HOSTS}"
            time.sleep(0.1)
        else:
            return


def _others(file: BinaryIO) -> bytes:
    """Return what the file says without our entry."""
    file.seek(0)
    return file.read().replace(ENTRY, b"")


def _write(file: BinaryIO, text: bytes) -> None:
    """Replace the text: the same bytes up to our entry, so that no reader sees less than them."""
    file.seek(0)
    file.write(text)
    file.truncate()


def _check() -> None:
    """Skip unless NAME means ADDRESS and nothing else, and its port is free: what the published
    CLI sends must not leave this machine.
    """
    found = {row[4][0] for row in socket.getaddrinfo(NAME, PORT, type=socket.SOCK_STREAM)}
    if found != {ADDRESS}:
        pytest.skip(f"{NAME} means {', '.join(map(str, found))} here, whatever {HOSTS} says")
    try:
        socket.create_server((ADDRESS, PORT)).close()
    except OSError as error:
        pytest.skip(f"{ADDRESS} port {PORT} cannot be used: {error.strerror}")
