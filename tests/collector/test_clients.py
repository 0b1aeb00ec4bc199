"""Who is asking: through which proxies, per /64, for minutes, and never as an address."""

from __future__ import annotations

import pickle
from ipaddress import ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from askfirst.collector.clients import KEY_BYTES, KEY_SECONDS, MOST_CHARACTERS, Clients

PROXY = "10.0.0.7"
OTHER = "203.0.113.9"


def clients(*trusted: str) -> Clients:
    return Clients([ip_network(text) for text in trusted], lambda: 0.0)


@pytest.fixture(name="behind")
def _behind() -> Clients:
    """Behind proxies in 10.0.0.0/8, on an IPv6 network, and on this machine."""
    return clients("10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1/32")


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"])
def test_a_program_on_this_machine_has_no_limits(peer: str) -> None:
    assert clients().key(peer) is None
    assert clients().key(peer, "for=203.0.113.9", OTHER) is None  # no proxy speaks for it


@pytest.mark.parametrize(
    "peer", [OTHER, "2001:db8::1", "128.0.0.1", "::2", "", "nonsense", "\ud800"]
)
def test_anybody_else_has_a_key(peer: str) -> None:
    key = clients().key(peer)
    assert key is not None
    assert len(key) == KEY_BYTES


def test_the_same_client_has_the_same_key_and_another_has_another() -> None:
    some = clients()
    assert some.key(OTHER) == some.key(OTHER) == some.key("::ffff:" + OTHER)
    assert some.key(OTHER) != some.key("203.0.113.10")


def test_a_64_is_one_client() -> None:
    some = clients()
    assert some.key("2001:db8:1:2::1") == some.key("2001:db8:1:2:ffff:1:2:3")
    assert some.key("2001:db8:1:2::1") != some.key("2001:db8:1:3::1")
    assert some.key("fe80::1%eth0") == some.key("fe80::2")


def test_headers_of_strangers_are_not_believed(behind: Clients) -> None:
    assert behind.key(OTHER, "for=198.51.100.1", "198.51.100.1") == behind.key(OTHER)


def test_a_proxy_on_this_machine_speaks_for_others(behind: Clients) -> None:
    assert behind.key("127.0.0.1") is None
    assert behind.key("127.0.0.1", None, OTHER) == behind.key(OTHER)
    assert behind.key("127.0.0.1", f"for={OTHER}") == behind.key(OTHER)
    assert behind.key("127.0.0.2", None, OTHER) is None  # not the proxy
    assert behind.key("127.0.0.1", None, "127.0.0.1") is not None


LISTS = [
    OTHER,
    f" {OTHER} ",
    f"198.51.100.1, {OTHER}",
    f"127.0.0.1,{OTHER}",
    f"nonsense, {OTHER}",
    f"<script>, {OTHER}, 10.1.2.3",
    f"198.51.100.1,{OTHER},\t10.1.2.3 ,10.0.0.9",
    f"{OTHER}:5123",
    f"::ffff:{OTHER}",
    f"[::ffff:{OTHER}]:80, [2001:db8:ffff::1]:443",
]


@pytest.mark.parametrize("text", LISTS)
def test_x_forwarded_for_is_walked_from_the_right_to_the_first_that_is_not_ours(
    behind: Clients, text: str
) -> None:
    assert behind.key(PROXY, None, text) == behind.key(OTHER)


FORWARDED = [
    f"for={OTHER}",
    f"For={OTHER};proto=https;by={PROXY}",
    f'proto=https;host="a,b;c";FOR="{OTHER}:4711"',
    f"for=198.51.100.1, for={OTHER}",
    f'for="_gazonk", for={OTHER};by=10.0.0.1, for=10.0.0.1',
    f"for=unknown, for={OTHER}",
    f'by="\\"odd,for=1.2.3.4\\"";for={OTHER}',
    f'for="{OTHER}:_port"',
    f'for="[::ffff:{OTHER}]:80" , for="[2001:db8:ffff::1]"',
    'for="203\\.0.113.9"',
    f"secret=x;for={OTHER}:99",
]  # fmt: skip


@pytest.mark.parametrize("text", FORWARDED)
def test_forwarded_is_read_as_rfc_7239_writes_it(behind: Clients, text: str) -> None:
    assert behind.key(PROXY, text) == behind.key(OTHER)


def test_an_ipv6_client_behind_a_proxy_is_a_64_too(behind: Clients) -> None:
    peer = behind.key("2001:db8:1:2::1")
    assert behind.key(PROXY, None, "2001:db8:1:2::9") == peer
    assert behind.key(PROXY, 'for="[2001:db8:1:2::9]:4711"') == peer
    assert behind.key("2001:db8:ffff::5", None, "2001:db8:1:2::9") == peer


def test_an_identifier_is_a_client_of_its_own(behind: Clients) -> None:
    keys = {
        behind.key(PROXY, text) for text in ("for=_mine", 'for="_mine"', "for=_mine, for=10.0.0.1")
    }
    assert len(keys) == 1
    assert keys.isdisjoint({behind.key(PROXY), behind.key(PROXY, "for=_other")})


def test_if_all_hops_are_ours_the_farthest_is_the_client(behind: Clients) -> None:
    assert behind.key(PROXY, None, "10.0.0.1, 10.0.0.2") == behind.key(PROXY, "for=10.0.0.1")


def test_a_proxy_that_says_nothing_is_a_client_itself(behind: Clients) -> None:
    assert behind.key(PROXY) == behind.key(PROXY)
    assert behind.key(PROXY) != behind.key("10.0.0.8")


UNREADABLE = [
    "", ",", " ", "unknown", "for", "for=", "for=unknown", "for=UNKNOWN;proto=http", "proto=http",
    "for=203.0.113.9;for=203.0.113.9", 'for="203.0.113.9', "for=203.0.113.9,", "for=203.0.113.9;;",
    "for = 203.0.113.9", "for=203.0.113.999", "for=[::1", 'for="[::g]"', 'for="203.0.113.9:123456"',
    "for=nonsense", "for=\x00", "for=203.0.113.9\x00", "for=\ud800", "for=é", "for=_a b", "203.0.113.9,",
    f"for={OTHER}," * 500 + f"for={OTHER}", "for=10.0.0.1," * 40 + f"for={OTHER}" + ",for=10.0.0.1" * 40,
]  # fmt: skip


@pytest.mark.parametrize("text", UNREADABLE)
@pytest.mark.parametrize("header", ["forwarded", "x_forwarded_for"])
def test_what_nobody_can_read_counts_as_the_proxy_itself(
    behind: Clients, header: str, text: str
) -> None:
    itself = behind.key(PROXY, "unknown")
    assert itself not in (None, behind.key(OTHER))
    assert behind.key(PROXY, **{header: text}) == itself
    assert behind.key("127.0.0.1", **{header: text}) == behind.key("127.0.0.1", "unknown")
    assert behind.key("127.0.0.1", "unknown") is not None


def test_a_header_the_proxy_does_not_know_and_passes_on_is_not_believed(behind: Clients) -> None:
    """Most proxies set one of the two, and let the client write the other."""
    itself = behind.key(PROXY, "unknown")
    assert behind.key(PROXY, "for=198.51.100.1", OTHER) == itself
    assert behind.key(PROXY, f"for={OTHER}", "198.51.100.1") == itself
    assert behind.key(PROXY, "nonsense", OTHER) == itself
    assert behind.key(PROXY, f"for={OTHER}", OTHER) == behind.key(OTHER)


def test_the_key_is_another_after_minutes_and_in_another_process() -> None:
    time = [0.0]
    some = Clients([], lambda: time[0])
    first = some.key(OTHER)
    time[0] = KEY_SECONDS - 1
    assert some.key(OTHER) == first
    time[0] = KEY_SECONDS
    assert some.key(OTHER) != first
    assert clients().key(OTHER) != clients().key(OTHER)


def test_networks_may_be_text_and_have_to_be_networks() -> None:
    assert Clients(["10.0.0.0/8"]).key(PROXY, None, "127.0.0.1") is not None
    for wrong in ("10.0.0.1/8", "proxy.example.org"):
        with pytest.raises(ValueError, match=wrong):
            Clients([wrong])


def test_no_address_is_kept() -> None:
    some = clients("10.0.0.0/8")
    for peer in (OTHER, "2001:db8:1:2::1"):
        assert some.key(peer)
        assert some.key(PROXY, f"for={OTHER}, for=198.51.100.77", "198.51.100.77")
    state = {name: value for name, value in vars(some).items() if name not in ("_now", "_keyed")}
    kept = pickle.dumps(state) + repr(state).encode()
    for needle in (OTHER, "198.51.100.77", "2001:db8:1:2", "203, 0, 113", PROXY):
        assert needle.encode() not in kept
    assert bytes([203, 0, 113, 9]) not in kept


NODES = st.sampled_from(
    [
        OTHER,
        "10.0.0.1",
        "[::1]",
        "2001:db8::1",
        "unknown",
        "_x",
        "for=",
        ";",
        ",",
        '"',
        "\\",
        " ",
        "\x00",
    ]
)
HEADERS = st.none() | st.text(max_size=40) | st.lists(NODES, max_size=20).map("".join)


@given(HEADERS, HEADERS)
@example("for=" + '"\\' * MOST_CHARACTERS, None)
def test_no_header_is_an_error(forwarded: str | None, x_forwarded_for: str | None) -> None:
    some = clients("10.0.0.0/8")
    key = some.key(PROXY, forwarded, x_forwarded_for)
    assert key is not None
    assert len(key) == KEY_BYTES
    assert some.key(PROXY, forwarded, x_forwarded_for) == key
