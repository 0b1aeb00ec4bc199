"""One POST over HTTP or TLS; used by the sender only, never by the host's process on its own."""

import os
import ssl
import zlib
from binascii import b2a_base64
from urllib.parse import unquote, urlsplit

from askfirst import __version__
from askfirst.client import exchange
from askfirst.client.sender import Answer
from askfirst.contract.jsontext import dumps, loads
from askfirst.contract.loading import is_loopback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket

COMPRESS_FROM = 1_000  # bytes; below that gzip saves less than it costs
LONGEST_RETRY_AFTER_S = 7 * 86_400


def post(url: str, body: bytes) -> Answer:
    """POST JSON and return the answer; a network that fails is an Answer with status 0.

    TLS is verified with the system's roots (and SSL_CERT_FILE, SSL_CERT_DIR). No redirects.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"askfirst/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    if len(body) >= COMPRESS_FROM:
        packer = zlib.compressobj(wbits=31)
        body = packer.compress(body) + packer.flush()
        headers["Content-Encoding"] = "gzip"
    try:
        roots = _hashed_roots() if url.startswith("https:") else ""
        try:
            return _exchange(url, body, headers, roots)
        except ssl.SSLCertVerificationError:
            if not roots:
                raise
            return _exchange(url, body, headers, "")  # the root may be in the system's file alone
    except (OSError, ValueError) as error:
        answer = _failed(error)
        answer.arrived = False
        return answer


def _failed(error: Exception) -> Answer:
    return Answer(0, why=str(error) or type(error).__name__)


def _exchange(url: str, body: bytes, headers: "dict[str, str]", roots: str) -> Answer:
    """Connect, verifying TLS with the roots in a folder (else with all), and return the answer."""
    connection, target, more = _connect(url, roots)
    with connection:
        try:
            status, said, raw = exchange.post(connection, target, {**more, **headers}, body)
        except (OSError, ValueError) as error:
            return _failed(error)
    try:
        told = loads(raw.decode("utf-8"))
        dumps(told)  # so that it can be shown: 1e999 is read, but no number
    except (ValueError, RecursionError):
        told = None
    return Answer(status, told, _seconds(said.get("retry-after", "")))


def _hashed_roots() -> str:
    """Return the folder where the system keeps its roots by their hashes, or ''.

    Reading the system's file with all of them costs as much CPU as the rest of a delivery.
    """
    folder = ssl.get_default_verify_paths().capath or ""
    if not folder or "SSL_CERT_FILE" in os.environ:
        return ""
    try:
        return folder if any(name.endswith(".0") for name in os.listdir(folder)) else ""
    except OSError:
        return ""


def _connect(url: str, roots: str) -> "tuple[socket, str, dict[str, str]]":
    """Return a connection, the request's target, and the headers that depend on the way there.

    Raises OSError, and ValueError, without its URL, for a proxy that cannot be used.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    usual = 443 if secure else 80
    host, port = parts.hostname or "", parts.port or usual
    target = parts.path or "/"
    headers = {"Host": exchange.authority(host, port, usual)}
    proxy = proxy_for(parts.scheme, host, port)
    name, at, credentials = _read_proxy(proxy) if proxy else (host, port, {})
    connection = exchange.connect(name, at)
    if not secure:
        return connection, url if proxy else target, {**headers, **credentials}
    try:
        if proxy:
            exchange.tunnel(connection, host, port, credentials)
        context = ssl.create_default_context(capath=roots or None)
        return context.wrap_socket(connection, server_hostname=host), target, headers
    except BaseException:
        connection.close()
        raise


def _read_proxy(proxy: str) -> "tuple[str, int, dict[str, str]]":
    """Return a proxy's host, its port, and a header with the credentials in its URL (RFC 7617).

    Raises ValueError, without the URL: it may hold a password.
    """
    try:
        parts = urlsplit(proxy)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:  # its text would quote what was taken for a port, or all of it
        host, port = "", 0
    if not host:
        raise ValueError("the proxy in the environment has no readable URL; write http://host:port")
    if parts.scheme != "http":
        raise ValueError("the proxy in the environment is not one of http://; no other is spoken")
    if parts.username is None:
        return host, port, {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    basic = b2a_base64(pair, newline=False).decode("ascii")
    return host, port, {"Proxy-Authorization": "Basic " + basic}


def proxy_for(scheme: str, host: str, port: "int | None" = None) -> str:
    """Return the proxy's URL for a host from `<scheme>_proxy`, `all_proxy` and `no_proxy`, or ''.

    Lower case wins over upper case, even empty.
    """
    if is_loopback(host) or _goes_straight(host, port or (443 if scheme == "https" else 80)):
        return ""
    for name in (f"{scheme}_proxy", "all_proxy"):
        other = name.upper()
        if other == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ:
            other = ""  # under CGI that one is a header of the request (httpoxy)
        proxy = os.environ.get(name, os.environ.get(other, ""))
        if proxy:
            return proxy if "://" in proxy else "http://" + proxy
    return ""


def _goes_straight(host: str, port: int) -> bool:
    """Tell whether no_proxy names a host: itself, a domain above it, `*`, with a port or not."""
    for rule in os.environ.get("no_proxy", os.environ.get("NO_PROXY", "")).lower().split(","):
        name = rule.strip()
        before, colon, digits = name.rpartition(":")
        if colon and digits.isdigit() and (":" not in before or before.endswith("]")):
            if int(digits) != port:
                continue
            name = before
        name = name.strip("[]").lstrip("*").lstrip(".")
        if rule.strip() == "*" or (name and (host == name or host.endswith("." + name))):
            return True
    return False


def _seconds(retry_after: str) -> float:
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3); 0 if it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:9])
    elif not retry_after:
        return 0.0
    else:
        import time
        from email.utils import mktime_tz, parsedate_tz

        date = parsedate_tz(retry_after)
        seconds = mktime_tz(date) - time.time() if date else 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)
