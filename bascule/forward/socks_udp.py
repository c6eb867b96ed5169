"""Datagrams between a SOCKS 5 client and its relay: an address before the content (RFC 1928 7). Sans-I/O."""

from __future__ import annotations

import socket

from bascule.forward.socks import IPV4, IPV6, NAME, SIZES, SocksError, host_5

MAX_DATAGRAM = 65535
HEADER = b"\0\0\0"
"""What a datagram begins with: two bytes reserved, and that it is no fragment."""


def unwrap(datagram: bytes) -> tuple[bytes, int, bytes]:
    """Return host (as in `SocksRequest`), port and content of what a client sent. Raises SocksError.

    A fragment is refused, as RFC 1928 lets those do who do not put them together.
    """
    if len(datagram) < 5 or datagram[:2] != b"\0\0":
        raise SocksError("not a SOCKS datagram")
    if datagram[2]:
        raise SocksError("a fragment")
    kind = datagram[3]
    size = 1 + datagram[4] if kind == NAME else SIZES.get(kind)
    if size is None:
        raise SocksError("unknown address type")
    end = 4 + size
    if len(datagram) < end + 2:
        raise SocksError("a datagram that ends within its address")
    return host_5(kind, datagram[4:end]), int.from_bytes(datagram[end : end + 2], "big"), datagram[end + 2 :]


def wrap(address: str, port: int, content: bytes) -> bytes:
    """Return what a client is sent: content that came from an address."""
    return HEADER + packed(address, port) + content


def associated(address: str, port: int) -> bytes:
    """Return the answer to UDP ASSOCIATE: where the client is to send its datagrams."""
    return b"\x05\0\0" + packed(address, port)


def packed(address: str, port: int) -> bytes:
    """Return an address and a port as SOCKS 5 writes them."""
    if ":" in address:
        return bytes((IPV6,)) + socket.inet_pton(socket.AF_INET6, address) + port.to_bytes(2, "big")
    return bytes((IPV4,)) + socket.inet_aton(address) + port.to_bytes(2, "big")
