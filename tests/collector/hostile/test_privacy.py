"""After traffic full of addresses, no file, no line and no number of the collector holds one."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.collector.hostile.wire import JSON, Wire, batch, collector, healthy, request
from tests.collector.serving import Server, make_event

PEERS = ("127.83.171.229", "127.201.94.53")
CLAIMED = ("203.0.113.171", "198.51.100.229", "2001:db8:a7c5:93e1:5b1f:d2c9:8e67:41b3")
HEADERS = (
    "Forwarded", "X-Forwarded-For", "X-Real-IP", "CF-Connecting-IP", "True-Client-IP", "Via", "From",
    "User-Agent", "X-Client-IP", "X-Cluster-Client-IP", "Fastly-Client-IP", "Referer", "Cookie",
    "Authorization", "Host", "X-Request-ID",
)  # fmt: skip


def values(name: str) -> list[str]:
    """Return what a header may say that holds each address."""
    if name == "Forwarded":
        return [f'for="{_bracketed(text)}";by={text}, for={text}' for text in CLAIMED]
    if name == "Via":
        return [f"1.1 {text}:3128 (squid)" for text in CLAIMED]
    if name == "From":
        return [f"someone@[{text}]" for text in CLAIMED]
    if name == "User-Agent":
        return [f"tool/1.0 ({text})" for text in CLAIMED]
    return [*CLAIMED, ", ".join(CLAIMED)]


def _bracketed(text: str) -> str:
    return f"[{text}]" if ":" in text else text


REQUESTS: dict[str, Callable[[dict[str, str]], bytes]] = {
    "a batch": lambda rows: request(body=batch(), headers={**JSON, **rows}),
    "a bad batch": lambda rows: request(body=b"{", headers={**JSON, **rows}),
    "a dropped event": lambda rows: request(
        body=batch(make_event(user=CLAIMED[0]), {"id": CLAIMED[0]}), headers={**JSON, **rows}
    ),
    "an unknown tool": lambda rows: request(
        body=b'{"tool":"%s","events":[]}' % CLAIMED[0].encode(), headers={**JSON, **rows}
    ),
    "an erasure": lambda rows: request(
        "POST", "/v1/erasures", b'{"tool":"stratus","installationId":"%s"}' % (b"aa" * 32), {**JSON, **rows}
    ),
    "a wrong login": lambda rows: request("GET", f"/login?token={CLAIMED[0]}", b"", rows),
    "an answer without a token": lambda rows: request("GET", "/v1/answers/active", b"", rows),
    "nothing": lambda rows: request("GET", f"/{CLAIMED[0]}", b"", rows),
    "a wrong method": lambda rows: request("PUT", "/health", b"", rows),
    "too many headers": lambda rows: request(
        "GET", "/health", b"", {**rows, **{f"X-{n}": CLAIMED[0] for n in range(120)}}
    ),
    "no request": lambda rows: request("GET", "/", b"", rows).replace(b": ", b"\x00 "),
}  # fmt: skip


def traffic(server: Server) -> None:
    """Send every kind of request with every header, from two addresses."""
    for peer in PEERS:
        for name in HEADERS:
            for value in values(name):
                for build in REQUESTS.values():
                    with Wire(server.url, peer) as wire:
                        wire.send(build({name: value}))
                        wire.fill()
                        assert b" 500 " not in wire.buffer[:20]


def needles() -> dict[str, bytes]:
    """Return each address as text and packed; of an IPv6 one the network too, which is a client."""
    found = {}
    for text in (*PEERS, *CLAIMED):
        address = ipaddress.ip_address(text)
        found[text] = text.encode()
        found[f"{text} packed"] = address.packed
        found[f"{text} packed, reversed"] = address.packed[::-1]
        if address.version == 6:
            found[f"{text} network"] = address.packed[:8]
            found[f"{text} network's text"] = text[:19].encode()
            found[f"{text} in full"] = address.exploded.encode()
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [(), ("--trusted-proxy", "127.0.0.0/8")], ids=["", "behind a proxy"]
)
def test_no_file_no_line_and_no_metric_holds_an_address(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    with collector(tmp_path, *options) as server:
        traffic(server)
        healthy(server)
        with Wire(server.url) as wire:
            wire.send(request("GET", "/metrics", b""))
            metrics = wire.reply().body
        while_running = written(tmp_path / "home")
        server.kill()  # what would be tidied up at the end stays
    pieces = {
        **{f"{name}, running": data for name, data in while_running.items()},
        **written(tmp_path / "home"),
        "metrics": metrics,
        "stderr": server.errors.encode(),
        "stdout": b"".join(server.output),
        "the store's rows": rows(tmp_path / "home" / "data" / "askfirst" / "askfirst.duckdb"),
    }
    assert any(name.endswith(".duckdb") for name in pieces)
    assert b"stratus" in pieces["the store's rows"]
    for kind, needle in needles().items():
        assert not [name for name, data in pieces.items() if needle in data], kind


def written(home: Path) -> dict[str, bytes]:
    """Return what is in each file, of a collector that may be running."""
    found = {}
    for folder, _, names in os.walk(home):
        for name in names:
            path = Path(folder) / name
            try:
                found[str(path.relative_to(home))] = path.read_bytes()
            except FileNotFoundError:  # a segment that was loaded meanwhile
                continue
    return found


def rows(store: Path) -> bytes:
    """Return every row of a store as text: its file compresses what a search would find."""
    with duckdb.connect(str(store)) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        texts = [
            str(connection.execute(f'SELECT * FROM "{name}"').fetchall()) for (name,) in tables
        ]
    return "\n".join(texts).encode()
