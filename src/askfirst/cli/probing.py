"""Looks at a collector as a client does, without leaving anything there.

It fetches the tool's contract, which is public, and delivers a batch of no events: that passes the
same door as a real one, but there is nothing in it to store or to count.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from askfirst import __version__
from askfirst.contract.loading import is_loopback

PATIENCE = 10  # seconds, for connecting and for each wait
LONGEST = 1_000_000  # bytes of an answer


class ProbeError(Exception):
    """The collector cannot be asked; `check` says what is wrong, `remedy` what to do."""

    def __init__(self, check: str, text: str, remedy: str) -> None:
        self.check = check
        self.remedy = remedy
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a collector answered; `body` None if it is no JSON object."""

    status: int
    body: dict[str, Any] | None
    date: str = ""
    certificate: dict[str, Any] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """What an error answer says."""
        return str((self.body or {}).get("error", f"status {self.status}"))


def fetch_contract(url: str, tool: str) -> Reply:
    """Ask for the contract in force. Raises ProbeError."""
    return _exchange(url, "GET", f"/v1/contracts/{quote(tool)}", None)


def deliver_nothing(url: str, tool: str, digest: str) -> Reply:
    """Deliver a batch of no events. Raises ProbeError."""
    batch = {"tool": tool, "contract": digest, "events": []}
    return _exchange(url, "POST", "/v1/events", json.dumps(batch).encode())


def _exchange(url: str, method: str, target: str, body: bytes | None) -> Reply:
    parts = urlsplit(url)
    where = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    headers = {"User-Agent": f"askfirst/{__version__}", "Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    connection = _connection(url)
    try:
        connection.connect()
        sock = connection.sock
        certificate = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
        connection.request(method, parts.path + target, body, headers)
        response = connection.getresponse()
        raw = response.read(LONGEST)
    except ssl.SSLCertVerificationError as error:
        text = f"the certificate of {where} is refused: {error.verify_message}"
        raise ProbeError("tls", text, _certificate_remedy(error)) from error
    except ssl.SSLError as error:
        text = f"{where} and this machine do not agree on TLS: {error.reason or error}"
        remedy = "serve TLS there (askfirst serve --tls-cert F --tls-key F, or a proxy in front)"
        raise ProbeError("tls", text, remedy) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        remedy = "start it, or mend the name, the port or the firewall; clients keep what waits"
        raise ProbeError("collector", f"{where} does not answer: {why}", remedy) from error
    finally:
        connection.close()
    try:
        said = json.loads(raw)
    except ValueError:
        said = None
    return Reply(
        response.status,
        said if isinstance(said, dict) else None,
        response.headers.get("Date", ""),
        dict(certificate or {}),
    )


def _connection(url: str) -> http.client.HTTPConnection:
    """Return an unopened connection, through the proxy of the environment if there is one."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme == "http":  # a contract allows that for this machine only
        return http.client.HTTPConnection(host, port, timeout=PATIENCE)
    context = ssl.create_default_context()
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https") or proxies.get("all", "")
    if not proxy or is_loopback(host) or urllib.request.proxy_bypass(f"{host}:{port or 443}"):
        return http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=context)
    name, at, headers = _read_proxy(proxy)
    tunnel = http.client.HTTPSConnection(name, at, timeout=PATIENCE, context=context)
    tunnel.set_tunnel(host, port or 443, headers)
    return tunnel


def _read_proxy(proxy: str) -> tuple[str, int, dict[str, str]]:
    """Return a proxy's host, its port and its credentials as a header.

    Raises ProbeError, without the URL: it may hold a password.
    """
    try:
        via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = via.hostname or "", via.port or 80
    except ValueError:
        host, port = "", 0
    if not host:
        text = "the proxy in the environment has no readable URL"
        raise ProbeError("collector", text, "write it as http://host:port") from None
    if via.username is None:
        return host, port, {}
    pair = f"{unquote(via.username)}:{unquote(via.password or '')}".encode()
    basic = base64.b64encode(pair).decode("ascii")
    return host, port, {"Proxy-Authorization": f"Basic {basic}"}


def _certificate_remedy(error: ssl.SSLCertVerificationError) -> str:
    """Say what to do about a certificate; the codes are OpenSSL's (X509_V_ERR_…)."""
    if error.verify_code in (62, 64):  # host name, IP address
        return "get a certificate for that name, or use the name that it is for in the contract"
    if error.verify_code == 10:
        return "renew the certificate; askfirst serve reads a renewed file by itself"
    if error.verify_code == 9:
        return "the certificate is not valid yet: look at the clocks of both machines"
    return (
        "serve the whole chain of a certificate that users' machines trust; for one of your own "
        "authority set SSL_CERT_FILE, here and wherever the tool runs"
    )
