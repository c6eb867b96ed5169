"""What stands before or beside a request and says who asks: PROXY headers, forwarding fields, the ClientHello."""

from __future__ import annotations

import ipaddress

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.http.addresses import TrustedNetworks
    from bascule.http.errors import HttpError
    from bascule.http.fields import REQUEST_KINDS, FieldParser
    from bascule.http.forwarded import client_address, forwarding_lines
    from bascule.http.proxy_protocol import Endpoint, ProxyProtocolError, encode_v1, encode_v2, parse
    from bascule.tls.clienthello import HelloError, server_name

TRUSTED = TrustedNetworks([ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")])


def _proxy_header(data: bytes) -> None:
    try:
        parsed = parse(data)
    except ProxyProtocolError:
        return
    if parsed is None:
        assert len(data) < 1 << 16, "it must decide at last"
        return
    header, size = parsed
    assert 0 < size <= len(data)
    assert parse(data[:size]) == parsed
    if header.source is not None and not header.source.address.startswith(b"unix:"):
        ipaddress.ip_address(header.source.address.decode())


def _fields(data: bytes) -> None:
    parser = FieldParser(REQUEST_KINDS)
    try:
        fields = [parser.parse(line) for line in data.split(b"\r\n") if line]
    except HttpError:
        return
    for read in ("x-forwarded-for", "forwarded"):
        info = client_address(b"10.0.0.1", fields, TRUSTED, read)
        ipaddress.ip_address(info.address.decode())
        lines = forwarding_lines("both", info, b"10.0.0.1", b"http", b"a.test")
        for line in lines.split(b"\r\n")[:-1]:
            parser.parse(line)
        assert lines.count(b"\r\n") <= 4
    assert client_address(b"192.0.2.1", fields, TRUSTED).address == b"192.0.2.1", "a stranger is not believed"


def one_input(data: bytes) -> None:
    """The first byte chooses what the rest is."""
    kind, data = data[:1], data[1:]
    if kind == b"P":
        _proxy_header(data)
    elif kind == b"F":
        _fields(data)
    elif kind == b"T":
        try:
            server_name(data)
        except HelloError:
            return


def seeds() -> list[bytes]:
    """One of each."""
    ends = Endpoint(b"192.0.2.1", 4711), Endpoint(b"2001:db8::1", 443)
    return [
        b"P" + encode_v1(ends[0], ends[0]) + b"GET",
        b"P" + encode_v2(*ends, checksum=True) + b"GET",
        b"P" + encode_v2(None, None),
        b"FX-Forwarded-For: 1.1.1.1, 10.0.0.2,::1\r\nX-Forwarded-Proto: https",
        b'FForwarded: for="[2001:db8::1]:80";proto=https;host="a\\"b", for=10.0.0.3',
        b"T\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    ]


if __name__ == "__main__":
    run("hops", one_input, seeds())
