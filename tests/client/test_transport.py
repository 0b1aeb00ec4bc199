from __future__ import annotations

import gzip
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme

from askfirst import __version__
from askfirst.client.transport import _hashed_roots, post, proxy_for
from tests.client.proxying import proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Server(http.server.ThreadingHTTPServer):
    """A real server that remembers requests and answers what the test says."""

    status = 200
    body = b'{"accepted": 1, "dropped": []}'
    extra: dict[str, str]
    tls: ssl.SSLContext | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.extra = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True)
        return connection, address


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        for name, value in self.server.extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def tls(server: Server) -> tuple[str, trustme.CA]:
    authority = trustme.CA()
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "telemetry.example.org").configure_cert(server.tls)
    return f"https://localhost:{server.server_address[1]}", authority


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_posts_json_and_says_little_about_itself(server: Server) -> None:
    answer = post(url(server) + "/v1/events", b'{"a":1}')
    assert (answer.status, answer.body) == (200, {"accepted": 1, "dropped": []})
    [(path, headers, body)] = server.requests
    assert (path, body) == ("/v1/events", b'{"a":1}')
    assert headers == {
        "Host": f"127.0.0.1:{server.server_address[1]}",
        "Accept-Encoding": "identity",
        "Content-Length": "7",
        "Connection": "close",
        "Content-Type": "application/json",
        "User-Agent": f"askfirst/{__version__}",
        "Accept": "application/json",
    }


def test_large_bodies_are_compressed(server: Server) -> None:
    body = json.dumps(["x" * 10] * 1000).encode()
    assert post(url(server) + "/v1/events", body).status == 200
    [(_, headers, sent)] = server.requests
    assert headers["Content-Encoding"] == "gzip"
    assert len(sent) < len(body) / 10
    assert gzip.decompress(sent) == body


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("120", 120, 120),
        ("99999999999999999999", 604_800, 604_800),
        ("Wed, 21 Oct 2065 07:28:00 GMT", 604_800, 604_800),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("-5", 0, 0),
        ("soon", 0, 0),
        ("", 0, 0),
    ],
)
def test_retry_after_is_read(server: Server, header: str, low: float, high: float) -> None:
    server.status, server.extra = 503, {"Retry-After": header}
    answer = post(url(server), b"{}")
    assert answer.status == 503
    assert low <= answer.retry_after <= high


def test_redirects_are_not_followed(server: Server) -> None:
    server.status, server.extra = 307, {"Location": url(server) + "/elsewhere"}
    assert post(url(server), b"{}").status == 307
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[" * 100_000, b'{"accepted": 1e999}'])
def test_an_answer_that_is_no_json_still_has_its_status(server: Server, body: bytes) -> None:
    server.body = body
    answer = post(url(server), b"{}")
    assert (answer.status, answer.body) == (200, None)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/", "http://127.0.0.1:99999/", "https://localhost:9"]
)
def test_a_network_that_fails_is_an_answer(address: str) -> None:
    answer = post(address, b"{}")
    assert answer.status == 0
    assert answer.why


def test_tls_is_verified(
    server: Server,
    tls: tuple[str, trustme.CA],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    address, authority = tls
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    refused = post(address, b"{}")
    assert refused.status == 0
    assert "certificate verify failed" in refused.why
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    assert post(address, b"{}").status == 200
    wrong = post(address.replace("localhost", "127.0.0.1"), b"{}")
    assert wrong.status == 0
    assert "127.0.0.1" in wrong.why
    capfd.readouterr()


@pytest.fixture
def hashed(
    tls: tuple[str, trustme.CA], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """An https address, and the system's folder of roots, which knows its authority."""
    address, authority = tls
    folder = tmp_path / "certs"
    folder.mkdir()
    keep_hashed(authority, folder)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    return address, folder


def keep_hashed(authority: trustme.CA, folder: Path) -> None:
    """Put a root where OpenSSL looks for it by the hash of its name."""
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash"],
        input=authority.cert_pem.bytes(),
        stdout=subprocess.PIPE,
        check=True,
    )
    authority.cert_pem.write_to_path(str(folder / f"{told.stdout.decode().strip()}.0"))


@pytest.mark.needs("openssl")
def test_roots_that_are_kept_by_hash_are_not_all_read(
    hashed: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the system's file of roots was read")

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", refuse)
    assert post(hashed[0], b"{}").status == 200


@pytest.mark.needs("openssl")
def test_a_root_that_is_in_the_systems_file_alone_is_found(
    server: Server, hashed: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = hashed
    [own] = folder.iterdir()
    file = own.rename(tmp_path / "file.pem")
    keep_hashed(trustme.CA(), folder)
    assert post(address, b"{}").status == 0  # unknown in the folder, and in this machine's file
    real = ssl.SSLContext.load_default_certs

    def load(self: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
        real(self, purpose)
        self.load_verify_locations(file)

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", load)
    assert post(address, b"{}").status == 200
    assert len(server.requests) == 1


@pytest.mark.needs("openssl")
def test_a_file_that_the_user_names_is_read(
    hashed: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = hashed
    [own] = folder.iterdir()
    file = own.rename(tmp_path / "file.pem")
    keep_hashed(trustme.CA(), folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert post(address, b"{}").status == 200


PROXY_VARIABLES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("env", "scheme", "host", "expected"),
    [
        ({}, "https", "example.org", ""),
        ({"HTTPS_PROXY": "http://p:3128"}, "https", "example.org", "http://p:3128"),
        ({"https_proxy": "p:3128"}, "https", "example.org", "http://p:3128"),
        ({"https_proxy": "a:b@p:3128"}, "https", "example.org", "http://a:b@p:3128"),
        ({"ALL_PROXY": "http://p"}, "https", "example.org", "http://p"),
        ({"HTTPS_PROXY": "http://p"}, "http", "example.org", ""),
        ({"HTTP_PROXY": "http://p"}, "http", "example.org", "http://p"),
        ({"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, "http", "example.org", ""),
        ({"http_proxy": "http://p", "REQUEST_METHOD": "GET"}, "http", "example.org", "http://p"),
        ({"HTTPS_PROXY": "http://p"}, "https", "127.0.0.1", ""),
    ],
)
def test_proxies_come_from_the_environment(
    env: dict[str, str], scheme: str, host: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(scheme, host) == expected


if os.name != "nt":  # there the names of variables have no case

    def test_an_empty_lower_case_variable_turns_the_upper_case_one_off(
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://p")
        assert proxy_for("https", "example.org") == "http://p"
        monkeypatch.setenv("https_proxy", "")
        assert proxy_for("https", "example.org") == ""
        monkeypatch.delenv("https_proxy")
        monkeypatch.setenv("NO_PROXY", "example.org")
        assert proxy_for("https", "example.org") == ""
        monkeypatch.setenv("no_proxy", "")
        assert proxy_for("https", "example.org") == "http://p"


@pytest.mark.parametrize(
    ("rules", "straight"),
    [
        ("t.example.org", True),
        ("example.org", True),
        (".org, x", True),
        ("*.example.org", True),
        ("EXAMPLE.org", True),
        ("*", True),
        ("x,,*", True),
        ("example.org:8443", True),
        ("example.org:443", False),
        ("ample.org", False),
        ("u.example.org", False),
        ("", False),
        (",", False),
    ],
)
def test_no_proxy_names_hosts_and_domains(
    rules: str, straight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://p")
    monkeypatch.setenv("no_proxy", rules)
    assert proxy_for("https", "t.example.org", 8443) == ("" if straight else "http://p")


@pytest.mark.parametrize(
    ("rules", "straight"),
    [("2001:db8::1", True), ("[2001:db8::1]", True), ("[2001:db8::1]:443", True), ("::1", False)],
)
def test_no_proxy_names_addresses(
    rules: str, straight: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://p")
    monkeypatch.setenv("no_proxy", rules)
    assert proxy_for("https", "2001:db8::1") == ("" if straight else "http://p")


NAME, PASSWORD = "jane doe", "p@ss:wörd/1"
CREDENTIALS = f"{NAME}:{PASSWORD}"
IN_URL = f"{quote(NAME, safe='')}:{quote(PASSWORD, safe='')}"


def test_a_proxy_with_a_password_is_asked_for_the_whole_address(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = f"http://telemetry.example.org:{server.server_address[1]}/v1/events"
    with proxy(CREDENTIALS) as running:
        monkeypatch.setenv("http_proxy", f"http://{IN_URL}@127.0.0.1:{running.port}")
        assert post(there, b'{"a":1}').status == 200
        assert running.seen() == f"POST {there} HTTP/1.1 let through"
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{running.port}")
        assert post(there, b"{}").status == 407
        assert running.seen() == f"POST {there} HTTP/1.1 refused"
    [(path, headers, body)] = server.requests
    assert (path, body) == ("/v1/events", b'{"a":1}')
    assert headers["Host"] == f"telemetry.example.org:{server.server_address[1]}"


def test_a_proxy_with_a_password_tunnels_tls_that_it_cannot_read(
    server: Server, tls: tuple[str, trustme.CA], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, authority = tls
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    there = address.replace("localhost", "telemetry.example.org") + "/v1/events"
    with proxy(CREDENTIALS) as running:
        monkeypatch.setenv("https_proxy", f"http://{IN_URL}@127.0.0.1:{running.port}")
        answer = post(there, b'{"a":1}')
        assert (answer.status, answer.why) == (200, "")
        assert running.seen() in {
            f"CONNECT telemetry.example.org:{server.server_address[1]} HTTP/1.{minor} let through"
            for minor in (0, 1)
        }
    [(path, headers, body)] = server.requests
    assert (path, body) == ("/v1/events", b'{"a":1}')
    assert "Proxy-Authorization" not in headers


def test_a_proxy_that_refuses_us_is_a_network_that_fails(
    server: Server, tls: tuple[str, trustme.CA], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tls[0].replace("localhost", "telemetry.example.org")
    with proxy(CREDENTIALS) as running:
        monkeypatch.setenv("https_proxy", f"http://jane:wr0ng@127.0.0.1:{running.port}")
        answer = post(there, b"{}")
    assert answer.status == 0
    assert "407" in answer.why
    assert "wr0ng" not in answer.why
    assert server.requests == []


@pytest.mark.parametrize(
    "value",
    [
        "http://jane:s3cret/x@127.0.0.1:8080",
        "http://jane:s3cret@127.0.0.1:eighty",
        "http://jane:s3cret@[127.0.0.1:80",
        "http://jane:s3cret@",
        "socks5://jane:s3cret@127.0.0.1:1080",
        "https://jane:s3cret@127.0.0.1:8080",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(
    value: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", value)
    answer = post(f"{scheme}://telemetry.example.org/v1/events", b"{}")
    assert answer.status == 0
    assert "http://" in answer.why
    assert "s3cret" not in answer.why
    assert "jane" not in answer.why


def test_a_folder_of_roots_that_cannot_be_listed_is_left_to_openssl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    (tmp_path / "0a1b2c3d.0").touch()
    assert _hashed_roots() == str(tmp_path)

    def refuse(_path: str) -> list[str]:
        raise PermissionError

    monkeypatch.setattr(os, "listdir", refuse)
    assert _hashed_roots() == ""
