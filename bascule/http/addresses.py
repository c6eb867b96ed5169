"""IP addresses as they are written in messages: one normal form, and sets of networks.

An IPv4 address mapped into IPv6 (RFC 4291 2.5.5.2), as dual-stack sockets report it, is the IPv4 address:
otherwise a rule for 10.0.0.0/8 would be passed by ``::ffff:10.0.0.1``.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_LONGEST = 45
"""Characters of the longest textual IPv6 address."""
_KEPT = 4096
_LOOPBACK = b"127.0.0.1"
_normal: dict[bytes, bytes | None] = {}


def normal_address(text: bytes) -> bytes | None:
    """Return the normal form (RFC 5952) of an IPv4 or IPv6 address without port or zone; None if it is none."""
    if len(text) > _LONGEST:
        return None
    if text in _normal:
        return _normal[text]
    if len(_normal) >= _KEPT:
        _normal.clear()
    normal = _normal[text] = _normalise(text)
    return normal


def _normalise(text: bytes) -> bytes | None:
    try:
        if b":" not in text:
            return str(IPv4Address(text.decode("ascii"))).encode()
        address = IPv6Address(text.decode("ascii"))
    except ValueError:
        return None
    if address.scope_id is not None:
        return None
    return str(address.ipv4_mapped or address).encode()


class TrustedNetworks:
    """The networks of `trusted_proxies`. ``address in networks`` is one look-up for an address seen before.

    A peer on a UNIX socket (``b""`` or ``b"unix:..."``) is on this machine and counts as 127.0.0.1.
    """

    __slots__ = ("_known", "_networks")

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = [(n.version, int(n.netmask), int(n.network_address)) for n in networks]
        self._known: dict[bytes, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: bytes) -> bool:
        if not self._networks:
            return False
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            known = self._known[address] = self._find(address)
        return known

    def _find(self, address: bytes) -> bool:
        local = not address or address.startswith(b"unix:")
        normal = _LOOPBACK if local else normal_address(address)
        if normal is None:
            return False
        version = 6 if b":" in normal else 4
        number = int(ip_address(normal.decode()))
        return any(number & mask == base for family, mask, base in self._networks if family == version)
