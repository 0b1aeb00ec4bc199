"""Asks a collector of this machine over TLS, where its certificate is for another name.

What it has to show is the certificate in the file that it said it serves, no other: not one that an
authority gave to somebody else, who may listen at that port by now.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


class _Connection(http.client.HTTPSConnection):
    """Compares certificates before a byte is sent. Raises ssl.SSLError, OSError."""

    def __init__(self, *words: Any, certificate: Path, **more: Any) -> None:
        super().__init__(*words, **more)
        self._certificate = certificate

    def connect(self) -> None:
        super().connect()
        assert isinstance(self.sock, ssl.SSLSocket)
        if self.sock.getpeercert(binary_form=True) != first_of(self._certificate):
            self.close()
            raise ssl.SSLError(f"it does not show the certificate in {self._certificate}")


class Handler(urllib.request.HTTPSHandler):
    """urllib's way to a collector whose certificate is in a file."""

    def __init__(self, certificate: Path) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False  # see _Connection, which knows what to expect
        context.verify_mode = ssl.CERT_NONE
        super().__init__(context=context)
        self._connection = partial(_Connection, certificate=certificate, context=context)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Send a request."""
        return self.do_open(self._connection, req)


def first_of(path: Path) -> bytes:
    """Return the first certificate of a PEM file, as it goes over the wire. Raises OSError."""
    _, begin, rest = path.read_text("ascii").partition(BEGIN)
    body, end, _ = rest.partition(END)
    if not end:
        raise ssl.SSLError(f"{path} holds no certificate")
    return ssl.PEM_cert_to_DER_cert(begin + body + end)
