"""PROXY protocol v1 and v2: tables from the specification, round trips, and junk."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.http.proxy_protocol import (
    MAX_V1,
    Endpoint,
    ProxyHeader,
    ProxyProtocolError,
    crc32c,
    encode_v1,
    encode_v2,
    parse,
)

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
FOUR = ProxyHeader(Endpoint(b"192.0.2.1", 56324), Endpoint(b"198.51.100.7", 443))
SIX = ProxyHeader(Endpoint(b"2001:db8::1", 56324), Endpoint(b"2001:db8::2", 443))
UNIX = ProxyHeader(Endpoint(b"unix:@app", 0), Endpoint(b"unix:/run/app.sock", 0))
NONE = ProxyHeader(None, None)


def v2(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(block)) + block


BLOCK4 = bytes((192, 0, 2, 1, 198, 51, 100, 7)) + struct.pack("!HH", 56324, 443)
BLOCK6 = IPv6Address("2001:db8::1").packed + IPv6Address("2001:db8::2").packed + struct.pack("!HH", 56324, 443)
BLOCK_UNIX = b"\0app".ljust(108, b"\0") + b"/run/app.sock".ljust(108, b"\0")


@pytest.mark.parametrize(
    ("data", "header"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n", FOUR),
        (b"PROXY TCP6 2001:db8::1 2001:DB8:0::2 56324 443\r\n", SIX),
        (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.7 56324 443\r\n", FOUR),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", None),
        (b"PROXY UNKNOWN\r\n", NONE),
        (b"PROXY UNKNOWN ffff:f...f:ffff ignored 65535 x\r\n", NONE),
        (v2(0x21, 0x11, BLOCK4), FOUR),
        (v2(0x21, 0x21, BLOCK6), SIX),
        (v2(0x21, 0x31, BLOCK_UNIX), UNIX),
        (v2(0x20, 0x00, b""), NONE),
        (v2(0x20, 0x11, b"anything, even short"), NONE),
        (v2(0x21, 0x00, b"to be ignored"), NONE),
        (v2(0x21, 0x11, BLOCK4 + b"\x04\x00\x03\x00\x00\x00" + b"\x02\x00\x04name"), FOUR),
    ],
)
def test_a_valid_header_is_read_and_what_follows_is_left(data: bytes, header: ProxyHeader | None) -> None:
    parsed = parse(data + b"GET / HTTP/1.1\r\n")
    assert parsed is not None
    assert parsed[1] == len(data)
    assert header is None or parsed[0] == header
    for cut in range(len(data)):
        assert parse(data[:cut]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"PROXX",
        b"proxy TCP4 192.0.2.1 198.51.100.7 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 1\r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.7 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2 \r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.7 1 2\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.7 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 -1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 1 \xb2\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.7 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.7 1 2\n" + b"x" * 80,
        b"PROXY UNKNOWN" + b" " * (MAX_V1 - 13),
        b"\r\n\r\nGET",
        v2(0x11, 0x11, BLOCK4),  # version 1 in a v2 header
        v2(0x22, 0x11, BLOCK4),  # unknown command
        v2(0x21, 0x41, BLOCK4),  # unknown family
        v2(0x21, 0x12, BLOCK4),  # datagram
        v2(0x21, 0x11, BLOCK4[:-1]),
        v2(0x21, 0x21, BLOCK4),
        v2(0x21, 0x31, b"/run/\r\nX: y".ljust(216, b"\0")),
        v2(0x21, 0x11, BLOCK4 + b"\x04\x00"),
        v2(0x21, 0x11, BLOCK4 + b"\x04\x00\x05abc"),
        v2(0x21, 0x11, BLOCK4 + b"\x03\x00\x04\0\0\0\0"),
        v2(0x21, 0x11, BLOCK4 + b"\x03\x00\x02\0\0"),
        v2(0x21, 0x11, BLOCK4 + b"\x04\x01\xfa" + bytes(506))[:16],  # one byte over the limit
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ProxyProtocolError):
        parse(data)


def test_checksum_is_that_of_the_rfc_and_a_flipped_bit_is_noticed() -> None:
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 B.4
    assert crc32c(bytes(range(32))) == 0x46DD794E
    good = encode_v2(FOUR.source, FOUR.destination, checksum=True)
    assert parse(good) == (FOUR, len(good))
    for place in (16, 20, 27, len(good) - 1):
        with pytest.raises(ProxyProtocolError):
            parse(good[:place] + bytes((good[place] ^ 1,)) + good[place + 1 :])


def test_ends_of_different_families_are_mapped_and_unknown_ones_are_not_named() -> None:
    assert encode_v1(FOUR.source, SIX.destination) == b"PROXY TCP6 ::ffff:c000:201 2001:db8::2 56324 443\r\n"
    assert encode_v1(UNIX.source, FOUR.destination) == encode_v1(None, None) == b"PROXY UNKNOWN\r\n"
    assert encode_v2(UNIX.source, FOUR.destination) == encode_v2(None, None) == v2(0x20, 0, b"")
    with pytest.raises(ValueError, match="at most 108"):
        encode_v2(Endpoint(b"unix:/" + b"x" * 108, 0), UNIX.destination)


ports = st.integers(0, 65535)
four_ends = st.builds(
    lambda a, p: Endpoint(str(a).encode(), p), st.builds(IPv4Address, st.integers(0, 2**32 - 1)), ports
)
six_addresses = st.builds(IPv6Address, st.integers(0, 2**128 - 1)).filter(lambda a: a.ipv4_mapped is None)
six_ends = st.builds(lambda a, p: Endpoint(str(a).encode(), p), six_addresses, ports)
paths = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=108).filter(
    lambda p: p != "@"
)
"""A bare ``@`` is an abstract socket without a name, which 108 NUL bytes cannot tell from no name at all."""
unix_ends = st.builds(lambda p: Endpoint(b"unix:" + p.encode(), 0), paths)
ip_pairs = st.tuples(four_ends, four_ends) | st.tuples(six_ends, six_ends) | st.tuples(four_ends, six_ends)


@given(ip_pairs)
def test_v1_round_trip(ends: tuple[Endpoint, Endpoint]) -> None:
    wire = encode_v1(*ends)
    assert parse(wire + b"rest") == (ProxyHeader(*ends), len(wire))
    assert len(wire) <= MAX_V1


@given(ip_pairs | st.tuples(unix_ends, unix_ends), st.booleans())
def test_v2_round_trip(ends: tuple[Endpoint, Endpoint], checksum: bool) -> None:
    wire = encode_v2(*ends, checksum=checksum)
    assert parse(wire + b"rest") == (ProxyHeader(*ends), len(wire))


mutated = st.builds(
    lambda wire, cut, place, junk: (wire[:cut] + junk + wire[place:])[:700],
    st.sampled_from([encode_v1(*ends) for ends in [(FOUR.source, FOUR.destination), (SIX.source, SIX.destination)]])
    | st.sampled_from([v2(0x21, 0x11, BLOCK4 + b"\x04\x00\x01x"), v2(0x21, 0x31, BLOCK_UNIX), v2(0x20, 0, b"")]),
    st.integers(0, 250),
    st.integers(0, 250),
    st.binary(max_size=40),
)


@given(st.binary(max_size=600) | mutated | st.binary(max_size=300).map(lambda junk: SIGNATURE + junk))
def test_junk_gives_a_header_or_the_one_error_and_never_needs_more_than_the_limit(data: bytes) -> None:
    try:
        parsed = parse(data)
    except ProxyProtocolError:
        return
    if parsed is None:
        assert len(data) < 536
    else:
        assert 0 < parsed[1] <= len(data)
        for end in (parsed[0].source, parsed[0].destination):
            assert end is None or (end.address.isascii() and b"\n" not in end.address)
