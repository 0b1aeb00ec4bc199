"""A URL -> a connection to a server, and its errors -> one line without a secret in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from askfirst.stores.base import StoreAwayError, StoreError

if TYPE_CHECKING:
    from clickhouse_connect.driver.httpclient import HttpClient

SCHEMES = {"clickhouse": ("http", 8123), "clickhouses": ("https", 8443)}
CONNECT_SECONDS = 10
ANSWER_SECONDS = 600  # without a byte; an answer over billions of events takes long
# a server that answers and misses others: timeouts, the network, replicas, Keeper
AWAY = frozenset((159, 209, 210, 242, 279, 285, 319, 999))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SAID = re.compile(
    r"Code: (\d+)\. DB::Exception: (?:Received from \S+ DB::Exception: )?(.*)", re.DOTALL
)
_SECRET = re.compile(r"'[^']*'|[0-9A-Fa-f]{16,}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, and who asks."""

    scheme: str
    host: str
    port: int
    database: str
    user: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Address:
        """Read `clickhouse://user:password@host:8123/database`. Raises StoreError."""
        form = "write it as clickhouse://user:password@host:8123/database"
        try:
            parts = urlsplit(url)
            interface, port = SCHEMES[parts.scheme]
            host, port = parts.hostname or "", parts.port or port
        except (KeyError, ValueError):
            raise StoreError(f"that is no address of a ClickHouse server; {form}") from None
        database = parts.path.strip("/")
        if not host or not _NAME.fullmatch(database) or parts.query or parts.fragment:
            raise StoreError(f"the address of a ClickHouse server is not whole; {form}")
        user = unquote(parts.username or "") or "default"
        return cls(interface, host, port, database, user, unquote(parts.password or ""))

    def __str__(self) -> str:
        scheme = next(name for name, (way, _) in SCHEMES.items() if way == self.scheme)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}/{self.database}"


def connect(address: Address, *, database: str | None = None) -> HttpClient:
    """Connect; queries may come from any thread. Raises StoreError.

    Nothing that is asked stands in the server's query log: it would keep whom one had erased.
    """
    try:
        import clickhouse_connect
    except ModuleNotFoundError:
        raise StoreError("this needs a driver: pip install 'askfirst[clickhouse]'") from None
    with failing(address):
        client: Any = clickhouse_connect.get_client(
            interface=address.scheme,
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password,
            database=address.database if database is None else database,
            autogenerate_session_id=False,  # a session takes one query at a time
            connect_timeout=CONNECT_SECONDS,
            send_receive_timeout=ANSWER_SECONDS,
            settings={"log_queries": 0},
        )
    return client  # type: ignore[no-any-return]


@contextmanager
def failing(address: Address) -> Iterator[None]:
    """Turn what goes wrong at a server into StoreError: StoreAwayError if it may pass by itself."""
    import pyarrow as pa
    from clickhouse_connect.driver.exceptions import Error
    from urllib3.exceptions import HTTPError

    try:
        yield
    except Error as error:
        found = _SAID.search(str(error))
        kind = StoreError if found and int(found[1]) not in AWAY else StoreAwayError
        raise kind(f"{address}: {one_line(error)}") from error
    except (HTTPError, OSError, pa.ArrowException) as error:
        raise StoreAwayError(f"{address} does not answer: {type(error).__name__}") from error


def one_line(error: Exception) -> str:
    """Say what a server said, without values: they may be a person's, or a password."""
    found = _SAID.search(str(error))
    if not found:
        return "it does not answer; is it running, and is this its HTTP port?"
    text = _SECRET.sub("…", found[2].partition("\n")[0].partition(" (version ")[0])
    return f"{text[:200]} (code {found[1]})"
