"""One POST over HTTP or TLS; used by the sender only, never by the host's process on its own."""

import http.client
import os
import ssl
import zlib
from urllib.parse import urlsplit

from askfirst import __version__
from askfirst.client.sender import Answer
from askfirst.contract.jsontext import loads
from askfirst.contract.loading import is_loopback

TIMEOUT_S = 15  # for connecting, and for each wait on the socket
COMPRESS_FROM = 1_000  # bytes; below that gzip saves less than it costs
MOST_ANSWER = 1_000_000  # bytes
LONGEST_RETRY_AFTER_S = 7 * 86_400


def post(url: str, body: bytes) -> Answer:
    """POST JSON and return the answer; a network that fails is an Answer with status 0.

    TLS is verified with the system's roots (and SSL_CERT_FILE, SSL_CERT_DIR); proxies come from
    HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY. Redirects are not followed.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"askfirst/{__version__}",
        "Accept": "application/json",
    }
    if len(body) >= COMPRESS_FROM:
        packer = zlib.compressobj(wbits=31)
        body = packer.compress(body) + packer.flush()
        headers["Content-Encoding"] = "gzip"
    try:
        connection, target = _connect(url)
        try:
            connection.request("POST", target, body, headers)
            response = connection.getresponse()
            raw = response.read(MOST_ANSWER)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(0, why=str(error) or type(error).__name__)
    try:
        said = loads(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        said = None
    return Answer(response.status, said, _seconds(response.headers.get("Retry-After", "")))


def _connect(url: str) -> "tuple[http.client.HTTPConnection, str]":
    """Return an unopened connection, by way of a proxy if there is one, and the request target."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    target = parts.path or "/"
    proxy = proxy_for(parts.scheme, host)
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if not proxy:
            secure = http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
            return secure, target
        way = urlsplit(proxy)
        tunnel = http.client.HTTPSConnection(
            way.hostname or "", way.port, timeout=TIMEOUT_S, context=context
        )
        tunnel.set_tunnel(host, port or 443)
        return tunnel, target
    if proxy:
        way = urlsplit(proxy)
        return http.client.HTTPConnection(way.hostname or "", way.port, timeout=TIMEOUT_S), url
    return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S), target


def proxy_for(scheme: str, host: str) -> str:
    """Return the proxy's URL for a host from the environment, or ''."""
    env = os.environ
    if is_loopback(host):
        return ""
    for rule in (env.get("no_proxy") or env.get("NO_PROXY") or "").split(","):
        name = rule.strip().lstrip(".").partition(":")[0]
        if name == "*" or (name and (host == name or host.endswith("." + name))):
            return ""
    for name in (f"{scheme}_proxy", "all_proxy"):
        proxy = env.get(name) or env.get(name.upper()) or ""
        if proxy:
            return proxy if "://" in proxy else "http://" + proxy
    return ""


def _seconds(retry_after: str) -> float:
    """Read Retry-After: seconds or a date (RFC 9110, 10.2.3); 0 if it is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        seconds = float(retry_after[:9])
    else:
        import time
        from email.utils import mktime_tz, parsedate_tz

        date = parsedate_tz(retry_after)
        seconds = mktime_tz(date) - time.time() if date else 0.0
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)
