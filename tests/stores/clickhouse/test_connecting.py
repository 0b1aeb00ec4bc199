from __future__ import annotations

import pytest

from askfirst.stores.base import StoreError
from askfirst.stores.clickhouse.connecting import Address, one_line
from askfirst.stores.opening import open_store
from tests.stores.server import free_port

SECRET = "t0p-secret"


def test_an_address_has_all_parts_and_shows_no_secret():
    address = Address.of(f"clickhouse://ann:{SECRET}%40@db.example.org/askfirst")

    assert (address.scheme, address.host, address.port) == ("http", "db.example.org", 8123)
    assert (address.user, address.password, address.database) == ("ann", SECRET + "@", "askfirst")
    assert str(address) == "clickhouse://db.example.org:8123/askfirst"
    assert SECRET not in repr(address)
    assert "ann" not in repr(address)


def test_tls_has_a_port_of_its_own_and_ipv6_its_brackets():
    assert str(Address.of("clickhouses://[::1]/a")) == "clickhouses://[::1]:8443/a"
    assert str(Address.of("clickhouses://h:9443/a")) == "clickhouses://h:9443/a"
    assert Address.of("clickhouses://h/a").scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse://host",
        "clickhouse://host/",
        "clickhouse:///askfirst",
        "clickhouse://host:port/askfirst",
        "clickhouse://host/no-name",
        "clickhouse://host/a/b",
        "clickhouse://host/askfirst?secure=1",
    ],
)
def test_an_address_that_is_not_whole_says_how_to_write_it(url):
    with pytest.raises(StoreError, match="clickhouse://user:password@host:8123/database"):
        Address.of(url)


def test_a_server_that_is_not_there_is_named_without_a_secret():
    port = free_port()
    with pytest.raises(StoreError) as caught:
        open_store(f"clickhouse://ann:{SECRET}@127.0.0.1:{port}/askfirst")
    assert f"clickhouse://127.0.0.1:{port}/askfirst" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_store_is_made_only_when_asked_for(url, clickhouse):
    with pytest.raises(StoreError, match="no store at"):
        open_store(url, create=False)
    name = url.rpartition("/")[2]
    assert clickhouse.ask(f"SELECT count() FROM system.databases WHERE name = '{name}'") == "0"

    open_store(url).close()

    open_store(url, create=False).close()


def test_a_store_of_a_newer_version_is_left_alone(url, clickhouse):
    open_store(url).close()
    name = url.rpartition("/")[2]
    clickhouse.ask(f"INSERT INTO {name}.migrations (number, name) VALUES (9999, 'later')")

    with pytest.raises(StoreError, match="newer askfirst"):
        open_store(url)


def test_what_a_server_says_is_told_without_values():
    said = (
        "Received ClickHouse exception, code: 6, server response: Code: 6. DB::Exception: Cannot "
        f"parse '{SECRET}' as {'ab' * 32}: in query. (CANNOT_PARSE) (version 26.7) (for url http://h)"
    )

    assert one_line(ValueError(said)) == "Cannot parse … as …: in query. (CANNOT_PARSE) (code 6)"


def test_a_server_that_ends_is_an_error_of_the_store_and_its_return_is_noticed(tmp_path):
    from tests.stores.making import events
    from tests.stores.server import started

    with started(tmp_path) as server:
        store = open_store(server.new())
        store.load([events({"id": 1})], {})
        server.kill()

        for ask in (store.tools, lambda: store.load([events({"id": 2})], {})):
            with pytest.raises(StoreError, match="does not answer"):
                ask()

        server.start()
        store.load([events({"id": 2})], {})
        assert store.count("stratus") == 2
        store.close()
