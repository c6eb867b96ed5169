"""Trusted hops: who the client is, what a client cannot forge, and what the server is told."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.http.addresses import TrustedNetworks, normal_address
from bascule.http.fields import Field, Kind
from bascule.http.forwarded import MAX_HOPS, ClientInfo, client_address, forwarding_lines

TRUSTED = TrustedNetworks(map(ip_network, ("10.0.0.0/8", "2001:db8:1::/48")))
PEER = b"10.0.0.1"


def fields(*lines: bytes) -> list[Field]:
    """Return fields as the codec gives them."""
    split = [line.partition(b":") for line in lines]
    return [(name.lower(), value.strip(b" \t"), int(Kind.FORWARDED), b"") for name, _, value in split]


def xff(*values: bytes, peer: bytes = PEER) -> ClientInfo:
    return client_address(peer, fields(*(b"X-Forwarded-For: " + value for value in values)), TRUSTED)


def forwarded(*values: bytes, peer: bytes = PEER) -> ClientInfo:
    return client_address(peer, fields(*(b"Forwarded: " + value for value in values)), TRUSTED, "forwarded")


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (b"192.0.2.1", b"192.0.2.1"),
        (b"2001:DB8:0:0::1", b"2001:db8::1"),
        (b"::ffff:192.0.2.1", b"192.0.2.1"),
        (b"::FFFF:C000:0201", b"192.0.2.1"),
        (b"192.0.2.01", None),
        (b"3221225985", None),
        (b"0x7f.1", None),
        (b"192.0.2.1:80", None),
        (b"fe80::1%eth0", None),
        (b"", None),
        (b"unknown", None),
        (b"1" * 46, None),
        ("१९२.०.२.१".encode(), None),
    ],
)
def test_addresses_have_one_normal_form(text: bytes, normal: bytes | None) -> None:
    assert normal_address(text) == normal
    assert normal_address(text) == normal  # the remembered answer is the same


def test_trusted_networks() -> None:
    assert b"10.255.0.1" in TRUSTED
    assert b"::ffff:10.0.0.9" in TRUSTED
    assert b"2001:db8:1:ffff::1" in TRUSTED
    for other in (b"11.0.0.1", b"2001:db8:2::1", b"unix:", b"", b"junk"):
        assert other not in TRUSTED
    assert b"" in TrustedNetworks([ip_network("127.0.0.0/8")])
    assert b"unix:@x" in TrustedNetworks([ip_network("127.0.0.1")])
    assert not TrustedNetworks([])
    assert PEER not in TrustedNetworks([])


def test_memory_of_addresses_is_bounded() -> None:
    networks = TrustedNetworks([ip_network("10.0.0.0/8")])
    for number in range(10_000):
        assert b"192.0.%d.%d" % divmod(number % 65536, 256) not in networks
    assert len(networks._known) <= 4096


@pytest.mark.parametrize(
    ("values", "client", "hops"),
    [
        ([], PEER, ()),
        ([b"192.0.2.7"], b"192.0.2.7", (b"192.0.2.7",)),
        ([b"192.0.2.7, 10.0.0.2"], b"192.0.2.7", (b"192.0.2.7", b"10.0.0.2")),
        ([b"192.0.2.7", b"10.0.0.2"], b"192.0.2.7", (b"192.0.2.7", b"10.0.0.2")),
        ([b"192.0.2.7:4711"], b"192.0.2.7", (b"192.0.2.7",)),
        ([b"[2001:db8::7]:4711"], b"2001:db8::7", (b"2001:db8::7",)),
        ([b"[2001:db8::7]"], b"2001:db8::7", (b"2001:db8::7",)),
        ([b"2001:DB8::7"], b"2001:db8::7", (b"2001:db8::7",)),
        ([b"::ffff:192.0.2.7"], b"192.0.2.7", (b"192.0.2.7",)),
        ([b"10.0.0.3,10.0.0.2"], b"10.0.0.3", (b"10.0.0.3", b"10.0.0.2")),
        # what the client wrote stands left of what the first trusted hop saw
        ([b"127.0.0.1, 192.0.2.7"], b"192.0.2.7", (b"192.0.2.7",)),
        ([b"10.0.0.9", b"192.0.2.7, 10.0.0.2"], b"192.0.2.7", (b"192.0.2.7", b"10.0.0.2")),
        ([b'"', b"192.0.2.7"], b"192.0.2.7", (b"192.0.2.7",)),
        ([b"", b"192.0.2.7"], b"192.0.2.7", (b"192.0.2.7",)),
        # identifiers that say nothing end the walk at the hop that wrote them
        ([b"192.0.2.7, unknown"], PEER, ()),
        ([b"192.0.2.7, _hidden, 10.0.0.2"], b"10.0.0.2", (b"10.0.0.2",)),
        ([b"192.0.2.7, 10.0.0.2, "], PEER, ()),
        ([b"192.0.2.7, 999.0.0.1"], PEER, ()),
        ([b"192.0.2.7:99999999"], PEER, ()),
        ([b"[192.0.2.7]"], PEER, ()),
        ([b"192.0.2.7 10.0.0.2"], PEER, ()),
    ],
)
def test_x_forwarded_for(values: list[bytes], client: bytes, hops: tuple[bytes, ...]) -> None:
    info = xff(*values)
    assert (info.address, info.hops) == (client, hops)


@pytest.mark.parametrize(
    ("values", "client"),
    [
        ([b"for=192.0.2.7"], b"192.0.2.7"),
        ([b"For=192.0.2.7;Proto=http;By=10.0.0.2"], b"192.0.2.7"),
        ([b'for="192.0.2.7:4711"'], b"192.0.2.7"),
        ([b'for="[2001:db8:cafe::17]:4711"'], b"2001:db8:cafe::17"),
        ([b'for="[2001:db8:cafe::17]:_port"'], b"2001:db8:cafe::17"),
        ([b'for="\\192.0.2.7"'], b"192.0.2.7"),
        ([b"for=192.0.2.43, for=10.0.0.2"], b"192.0.2.43"),
        ([b"for=192.0.2.43", b'proto=http;for="10.0.0.2:80" ; by=_x'], b"192.0.2.43"),
        ([b'for=192.0.2.43;ext="a,b;for=1.1.1.1\\"c"'], b"192.0.2.43"),
        ([b";for=192.0.2.43;"], b"192.0.2.43"),
        # forged parts stand left, whatever their quotes
        ([b'for=127.0.0.1;x="', b"for=192.0.2.7"], b"192.0.2.7"),
        ([b'for="127.0.0.1', b'for="192.0.2.7:1"'], b"192.0.2.7"),
        ([b'"', b'for=192.0.2.7;x="\\""', b"for=10.0.0.2"], b"192.0.2.7"),
        ([b"for=10.0.0.9, for=192.0.2.7"], b"192.0.2.7"),
        # unknown, obfuscated, malformed
        ([b"for=192.0.2.7, for=unknown"], PEER),
        ([b"for=192.0.2.7, for=_SEVKISEK"], PEER),
        ([b"for=192.0.2.7, for=_hidden, for=10.0.0.2"], b"10.0.0.2"),
        ([b"for=192.0.2.7;for=192.0.2.8"], PEER),
        ([b"for=2001:db8::1"], PEER),
        ([b"for"], PEER),
        ([b"proto=https"], PEER),
        ([b'for=192.0.2.7"'], PEER),
        ([b"a=1;" * 20 + b"for=192.0.2.7"], PEER),
        ([], PEER),
    ],
)
def test_forwarded(values: list[bytes], client: bytes) -> None:
    assert forwarded(*values).address == client


def test_a_peer_that_is_not_trusted_is_the_client_whatever_it_says() -> None:
    assert xff(b"127.0.0.1", peer=b"192.0.2.9") == ClientInfo(b"192.0.2.9", None, None, ())
    assert forwarded(b"for=127.0.0.1;proto=https;host=x", peer=b"192.0.2.9").proto is None


def test_only_the_field_that_the_trusted_proxies_write_is_read() -> None:
    both = fields(b"X-Forwarded-For: 192.0.2.7", b"Forwarded: for=192.0.2.8")
    assert client_address(PEER, both, TRUSTED).address == b"192.0.2.7"
    assert client_address(PEER, both, TRUSTED, "forwarded").address == b"192.0.2.8"


@pytest.mark.parametrize(
    ("chain", "protos", "hosts", "proto", "host"),
    [
        (b"192.0.2.7", b"https", b"shop.example", b"https", b"shop.example"),
        (b"192.0.2.7", b"", b"", None, None),
        (b"192.0.2.7, 10.0.0.2", b"https", b"shop.example:8443", b"https", b"shop.example:8443"),  # set at the edge
        (b"192.0.2.7, 10.0.0.2", b"https, http", b"shop.example, inner", b"https", b"shop.example"),  # appended
        (b"1.1.1.1, 192.0.2.7", b"https, http", b"evil, shop.example", b"http", b"shop.example"),  # forged, appended
        (b"192.0.2.7", b"javascript", b"a b", None, None),
        (b"192.0.2.7", b"HTTPS", b"x/../y", b"https", None),
    ],
)
def test_scheme_and_host_are_those_the_clients_own_hop_saw(
    chain: bytes, protos: bytes, hosts: bytes, proto: bytes | None, host: bytes | None
) -> None:
    lines = fields(b"X-Forwarded-For: " + chain, b"X-Forwarded-Proto: " + protos, b"X-Forwarded-Host: " + hosts)
    info = client_address(PEER, lines, TRUSTED)
    assert (info.proto, info.host) == (proto, host)


def test_forwarded_scheme_and_host_come_from_the_clients_element() -> None:
    info = forwarded(b'for=192.0.2.7;proto=https;host="shop.example:8443", for=10.0.0.2;proto=http;host=inner')
    assert info == ClientInfo(b"192.0.2.7", b"https", b"shop.example:8443", (b"192.0.2.7", b"10.0.0.2"))


def test_the_walk_over_trusted_addresses_is_bounded() -> None:
    long = b", ".join(b"10.1.%d.%d" % divmod(n, 256) for n in range(4000))
    assert len(xff(long).hops) == MAX_HOPS
    many = b", ".join(b"for=10.1.%d.%d" % divmod(n, 256) for n in range(4000))
    assert len(forwarded(many).hops) == MAX_HOPS
    # an element that begins before the part that is looked at is not half read
    assert forwarded(b"for=192.0.2.7;x=" + b"y" * 5000).address == PEER


DIRECT = ClientInfo(b"192.0.2.7", None, None, ())
CHAINED = ClientInfo(b"2001:db8::7", b"https", b"shop.example:8443", (b"2001:db8::7", b"10.0.0.2"))


@pytest.mark.parametrize(
    ("client", "peer", "x_forwarded", "rfc7239"),
    [
        (
            DIRECT,
            b"192.0.2.7",
            b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n",
            b"Forwarded: for=192.0.2.7;host=h;proto=http\r\n",
        ),
        (
            CHAINED,
            PEER,
            b"X-Forwarded-For: 2001:db8::7, 10.0.0.2, 10.0.0.1\r\n"
            b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:8443\r\n",
            b'Forwarded: for="[2001:db8::7]";host="shop.example:8443";proto=https, for=10.0.0.2, for=10.0.0.1\r\n',
        ),
        (
            ClientInfo(b"unix:", None, None, ()),
            b"unix:",
            b"X-Forwarded-For: unknown\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n",
            b"Forwarded: for=unknown;host=h;proto=http\r\n",
        ),
    ],
)
def test_what_the_server_is_told(client: ClientInfo, peer: bytes, x_forwarded: bytes, rfc7239: bytes) -> None:
    assert forwarding_lines("x-forwarded", client, peer, b"http", b"h") == x_forwarded
    assert forwarding_lines("forwarded", client, peer, b"http", b"h") == rfc7239
    assert forwarding_lines("both", client, peer, b"http", b"h") == x_forwarded + rfc7239
    assert forwarding_lines("off", client, peer, b"http", b"h") == b""


def test_no_host_is_told_where_there_is_none() -> None:
    assert forwarding_lines("both", DIRECT, b"192.0.2.7", b"http", b"") == (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nForwarded: for=192.0.2.7;proto=http\r\n"
    )


addresses = st.ip_addresses().map(lambda address: normal_address(str(address).encode()))
trusted_addresses = st.integers(0, 255).map(lambda n: b"10.0.1.%d" % n)
junk = st.text(st.sampled_from('",;=\\ for10.[]:_unknwproth'), max_size=60).map(str.encode)


@given(addresses, st.lists(trusted_addresses, max_size=5), junk)
def test_what_one_bascule_writes_the_next_one_reads_and_forgery_changes_nothing(
    client: bytes | None, proxies: list[bytes], forged: bytes
) -> None:
    assert client is not None
    if client in TRUSTED:
        return
    told = ClientInfo(client, b"https", b"shop.example", (client, *proxies))
    lines = forwarding_lines("both", told, PEER, b"http", b"other").split(b"\r\n")[:-1]
    noise = fields(b"X-Forwarded-For: " + forged, b"Forwarded: " + forged)
    every = noise + fields(*lines)
    assert client_address(b"10.0.0.3", every, TRUSTED)[::3] == (client, (client, *proxies, PEER))
    assert client_address(b"10.0.0.3", every, TRUSTED, "forwarded") == ClientInfo(
        client, b"https", b"shop.example", (client, *proxies, PEER)
    )


@given(st.lists(st.binary(max_size=80) | junk, max_size=4), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_junk_never_raises(values: list[bytes], read: str) -> None:
    lines = [(name.encode(), value, 0, b"") for value in values for name in ("x-forwarded-for", "forwarded")]
    info = client_address(PEER, lines, TRUSTED, read)  # type: ignore[arg-type]
    assert normal_address(info.address) == info.address
