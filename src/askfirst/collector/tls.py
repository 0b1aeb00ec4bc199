"""The certificate a collector shows, and its renewal without a restart."""

from __future__ import annotations

import ssl

from askfirst.collector.private import reason_of


class TlsError(Exception):
    """The certificate or its key cannot be used; one line that says why."""


def context_of(certificate: str, key: str) -> ssl.SSLContext:
    """Return what a server needs to speak TLS. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A command-line client is a new process each time and resumes nothing: a ticket is wasted work.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_RENEGOTIATION  # nobody needs it, and it is work for the asking
    _load(context, certificate, key)
    return context


def renew(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Show another certificate from the next connection on. Raises TlsError, and keeps the old."""
    context_of(certificate, key)  # tried on one that nobody uses: a half-changed pair would serve
    _load(context, certificate, key)


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # never ask a terminal
    except OSError as error:  # ssl.SSLError is one
        raise TlsError(
            f"the certificate {certificate} with the key {key} cannot be used: {reason_of(error)}"
        ) from error
