"""Clients by address: what a limit or a ban takes for one client, and sets of networks."""

from __future__ import annotations

from ipaddress import ip_address

_KEPT = 8192
"""Addresses whose prefix is remembered; then all are forgotten at once."""


class ClientPrefix:
    """Turns textual addresses, in their normal form, into the bytes that stand for a client: an address, or its prefix.

    A peer on a UNIX socket has no address; all such are one client.
    """

    __slots__ = ("_ipv4", "_ipv6", "_known")

    def __init__(self, ipv4: int = 32, ipv6: int = 64) -> None:
        self._ipv4 = ipv4
        self._ipv6 = ipv6
        self._known: dict[bytes, bytes] = {}

    def of(self, address: bytes) -> bytes:
        """Return the client of an address, as text such as ``192.0.2.1`` or ``2001:db8:1:2::/64``."""
        if self._ipv4 == 32 and b":" not in address:
            return address
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[address] = self._prefix(address)
        return known

    def _prefix(self, address: bytes) -> bytes:
        try:
            number = ip_address(address.decode("ascii"))
        except ValueError:  # a UNIX socket
            return address
        bits = self._ipv4 if number.version == 4 else self._ipv6
        if bits == number.max_prefixlen:
            return address
        return network_text(int(number), number.version, bits)


def network_text(number: int, version: int, bits: int) -> bytes:
    """Return the network of `bits` bits that an address is in, as text."""
    size = 32 if version == 4 else 128
    base = number >> (size - bits) << (size - bits)
    address = ip_address(base.to_bytes(size // 8, "big"))
    return f"{address}/{bits}".encode()
