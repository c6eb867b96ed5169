"""Datagrams of SOCKS 5: any bytes are refused by SocksError, or say a host, a port and the rest."""

from __future__ import annotations

from fuzz.drive import instrumented, run

with instrumented():
    from bascule.forward.socks import SocksError
    from bascule.forward.socks_udp import unwrap, wrap
    from bascule.forward.target import make_target
    from bascule.http.errors import HttpError


def one_input(data: bytes) -> None:
    """A datagram as a client may send it."""
    try:
        host, port, content = unwrap(data)
    except SocksError:
        return
    assert data.endswith(content)
    assert data[2] == 0
    try:
        target = make_target(host, port)
    except HttpError:
        return
    if target.address:
        again = unwrap(wrap(target.address, port, content))
        assert make_target(*again[:2]) == target
        assert again[2] == content


def seeds() -> list[bytes]:
    """An address of each kind, and a fragment."""
    return [
        b"\0\0\0\x01\x7f\0\0\x01\0\x35query",
        b"\0\0\0\x03\x09a.example\x01\xbbcontent",
        b"\0\0\0\x04" + bytes(15) + b"\x01\0\x35",
        b"\0\0\x01\x01\x7f\0\0\x01\0\x35part",
    ]


if __name__ == "__main__":
    run("socks_datagram", one_input, seeds())
