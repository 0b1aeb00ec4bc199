"""Who is asking, for the sake of limits alone: a keyed hash that lives for minutes, no address."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network, ip_network
from socket import AF_INET, AF_INET6, inet_pton
from typing import TypeAlias

KEY_SECONDS = 600.0  # no table of hashes made before this can be joined with one made after
KEY_BYTES = 16
MOST_HOPS = 32  # real chains have a handful
MOST_CHARACTERS = 4096  # of a Forwarded header, which has to be read from its beginning

Network: TypeAlias = IPv4Network | IPv6Network

_IPV4, _IPV6 = 4, 16  # bytes of an address
_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96, IPv4 on a socket that takes both (RFC 4291)
_LOCALHOST = bytes(15) + b"\x01"
_NETWORK_BYTES = 8  # a provider gives a home or a machine a /64: it is one client, not 2**64

_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_NODE = re.compile(rf"(?:\[(?P<six>[^\]]+)\]|(?P<four>[0-9.]+)){_PORT}")
_OBFUSCATED = re.compile(rf"_[A-Za-z0-9._-]+{_PORT}")
_PAIR = re.compile(r"""[ \t]*([^\s=,;"]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]+))[ \t]*([;,]|$)""")


class Clients:
    """Tells clients apart by address without keeping one.

    `trusted` are the networks of the operator's own proxies, whose `Forwarded` (RFC 7239) and
    `X-Forwarded-For` are believed; `now` returns seconds. Raises ValueError for what is no network.
    """

    def __init__(
        self, trusted: Sequence[Network | str] = (), now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._trusted: dict[int, list[tuple[int, int]]] = {_IPV4: [], _IPV6: []}
        for network in map(ip_network, trusted):
            row = int(network.network_address), int(network.netmask)
            self._trusted[network.max_prefixlen // 8].append(row)
        self._renew()

    def key(
        self, peer: str, forwarded: str | None = None, x_forwarded_for: str | None = None
    ) -> bytes | None:
        """Return the hash of a client for the next minutes, or None for one that has no limits.

        `peer` is the address at the other end of the socket, the others are headers, their lines
        joined with commas. A program on this machine has no limits unless a trusted proxy on this
        machine speaks for another. What a trusted proxy sends and nobody can read, or two headers
        that name different clients, count as the proxy itself: a client can add a header that its
        proxy does not know and passes on.
        """
        if self._now() >= self._until:
            self._renew()
        address = _packed(peer)
        if address is None:
            return self._hash(b"peer without an address: " + peer.encode(errors="replace"))
        if not self._trusts(address) or (forwarded is None and x_forwarded_for is None):
            return None if _is_loopback(address) else self._hash(_network(address))
        client = self._named(forwarded, x_forwarded_for)
        return self._hash(client or b"the proxy itself: " + address)

    def _renew(self) -> None:
        self._keyed = blake2b(key=secrets.token_bytes(32), digest_size=KEY_BYTES)
        self._until = self._now() + KEY_SECONDS

    def _hash(self, data: bytes) -> bytes:
        keyed = self._keyed.copy()  # half the price of beginning with the key
        keyed.update(data)
        return keyed.digest()

    def _trusts(self, address: bytes) -> bool:
        networks = self._trusted[len(address)]
        if not networks:
            return False
        number = int.from_bytes(address, "big")
        return any(number & mask == network for network, mask in networks)

    def _named(self, forwarded: str | None, x_forwarded_for: str | None) -> bytes | None:
        """Return whom the headers name, or None."""
        if forwarded is None:
            return self._last_untrusted((x_forwarded_for or "").rsplit(",", MOST_HOPS))
        client = self._last_untrusted(_forwarded_hops(forwarded))
        if x_forwarded_for is None or client == self._named(None, x_forwarded_for):
            return client
        return None

    def _last_untrusted(self, hops: Sequence[str]) -> bytes | None:
        """Walk from the nearest hop to the first that is not ours; if all are, to the farthest."""
        client = None
        for hop in reversed(hops[-MOST_HOPS:]):
            text = hop.strip(" \t")
            address = _packed(text) or _node(text)
            if address is None:
                return _identifier(text)
            client = _network(address)
            if not self._trusts(address):
                return client
        return client if len(hops) <= MOST_HOPS else None


def _packed(text: str) -> bytes | None:
    """Return the 4 or 16 bytes of an address, or None if it is none."""
    try:
        if ":" not in text:
            return inet_pton(AF_INET, text)
        address = inet_pton(AF_INET6, text.partition("%")[0])  # fe80::1%eth0 names an interface too
    except (OSError, ValueError):
        return None
    return address[12:] if address.startswith(_MAPPED) else address


def _network(address: bytes) -> bytes:
    return address if len(address) == _IPV4 else address[:_NETWORK_BYTES]


def _is_loopback(address: bytes) -> bool:
    return address[0] == 127 if len(address) == _IPV4 else address == _LOCALHOST


def _node(text: str) -> bytes | None:
    """Read an address in brackets or with a port (RFC 7239, section 6)."""
    match = _NODE.fullmatch(text)
    return _packed(match["six"] or match["four"]) if match else None


def _identifier(text: str) -> bytes | None:
    """Read what a proxy writes instead of an address, as `_hidden`; `unknown` names nobody."""
    if _OBFUSCATED.fullmatch(text):
        return b"identifier of a client: " + text.encode()
    return None


def _forwarded_hops(text: str) -> list[str]:
    """Return the `for` of each element of a Forwarded header, "" where there is none.

    A header that breaks the grammar has no hops.
    """
    if len(text) > MOST_CHARACTERS:
        return []
    hops, hop, place = [], "", 0
    while True:
        match = _PAIR.match(text, place)
        if match is None:
            return []
        name, quoted, token, after = match.groups()
        if name.lower() == "for":
            if hop:
                return []
            hop = token if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        if after != ";":
            hops.append(hop)
            hop = ""
        if not after:
            return hops
        place = match.end()
