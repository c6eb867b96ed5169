"""Which addresses a client of the forward proxy may make it connect to: by default, none that only insiders reach.

The check is made on the very address that is dialled, after the name was resolved, so a name that changes its
address between check and use (DNS rebinding) gains nothing. An IPv4 address inside an IPv6 one counts as itself
where a gateway or the kernel would unwrap it (RFC 4291 2.5.5, RFC 6052, RFC 3056, RFC 2765).
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IpAddress = IPv4Address | IPv6Address

_INSIDE: Final[tuple[tuple[str, str], ...]] = (
    ("0.0.0.0/8", "this-network"),  # RFC 791; Linux connects 0.0.0.0 to itself
    ("10.0.0.0/8", "private"),  # RFC 1918
    ("100.64.0.0/10", "carrier-grade-nat"),  # RFC 6598; also the metadata service 100.100.100.200
    ("127.0.0.0/8", "loopback"),  # RFC 1122
    ("168.63.129.16/32", "metadata"),  # Azure's wire server, a public address that is none
    ("169.254.0.0/16", "link-local"),  # RFC 3927; the metadata services of most clouds
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol-assignments"),  # RFC 6890; also the metadata service 192.0.0.192
    ("192.0.2.0/24", "documentation"),  # RFC 5737
    ("192.88.99.0/24", "6to4-relay"),  # RFC 7526
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarking"),  # RFC 2544
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),  # RFC 5771
    ("240.0.0.0/4", "reserved"),  # RFC 1112, and the broadcast address
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("64:ff9b:1::/48", "local-nat64"),  # RFC 8215
    ("100::/64", "discard-only"),  # RFC 6666
    ("2001::/23", "protocol-assignments"),  # RFC 2928; Teredo among them
    ("2001:db8::/32", "documentation"),  # RFC 3849
    ("3fff::/20", "documentation"),  # RFC 9637
    ("5f00::/16", "segment-routing"),  # RFC 9602
    ("fc00::/7", "private"),  # RFC 4193; also the metadata service fd00:ec2::254
    ("fe80::/10", "link-local"),  # RFC 4291
    ("fec0::/10", "site-local"),  # RFC 3879
    ("ff00::/8", "multicast"),
)


def _compiled(version: int) -> list[tuple[int, int, str]]:
    networks: list[tuple[IPv4Network | IPv6Network, str]] = [(ip_network(text), name) for text, name in _INSIDE]
    return [(int(net.netmask), int(net.network_address), name) for net, name in networks if net.version == version]


_FOUR, _SIX = _compiled(4), _compiled(6)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052
_COMPATIBLE = IPv6Network("::/96")  # RFC 4291 2.5.5.1, deprecated, but unwrapped by some stacks
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765 2.1
_SIX_TO_FOUR = IPv6Network("2002::/16")  # RFC 3056


@lru_cache(maxsize=4096)
def inside_range(address: str) -> str:
    """Return the name of the range that keeps an address from being reached, or empty: it is a public one.

    `address` is a textual IP address, with a zone perhaps. Raises ValueError for anything else.
    """
    return _inside(ip_address(address))


def _inside(address: IpAddress) -> str:
    number = int(address)
    if isinstance(address, IPv4Address):
        return next((name for mask, base, name in _FOUR if number & mask == base), "")
    found = next((name for mask, base, name in _SIX if number & mask == base), "")
    if found:
        return found
    if (four := _embedded(address)) is not None:
        return _inside(four)
    return "" if address.scope_id is None else "link-local"


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if any."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or address in _COMPATIBLE or address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return address.sixtofour
    return None
