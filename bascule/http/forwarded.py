"""Who the client is when trusted proxies stand in between, and what we tell the server about it.

Each hop appends the address it was called from, so the list is believed from right to left and only as far as
trusted hops wrote it: whatever a client put into it stands further left. Only one kind of field is read, the one
that the trusted proxies write (`trusted_field`); a client may have sent the other one past them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal, NamedTuple

from bascule.http.addresses import TrustedNetworks, normal_address
from bascule.http.errors import HttpError
from bascule.http.fields import Field
from bascule.http.host import split_authority

TrustedField = Literal["x-forwarded-for", "forwarded"]
Written = Literal["x-forwarded", "forwarded", "both", "off"]

MAX_HOPS: Final = 16
"""Trusted hops walked: bounds the work a forged list of trusted addresses causes."""
MAX_FORWARDED: Final = 4096
"""Bytes at the right end of Forwarded that are looked at; 16 hops with all they may say take about 2 KiB."""
_MAX_PAIRS: Final = 16
"""Parameters of one element; RFC 7239 defines four."""

_NODE: Final = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[0-9.]+)(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?")
"""RFC 7239 section 6: an address and a port; not ``unknown`` and not an obfuscated ``_name``."""
_PROTOCOLS: Final = frozenset((b"http", b"https", b"ws", b"wss"))


class ClientInfo(NamedTuple):
    """What is known of the client of a request."""

    address: bytes
    """Its textual address in normal form."""
    proto: bytes | None
    """``http`` or ``https`` as a trusted proxy saw it; None: as this connection is."""
    host: bytes | None
    """Host that a trusted proxy was asked for; None: as in this request."""
    hops: tuple[bytes, ...]
    """Believed addresses from the client to the hop before the peer; empty if the peer is the client."""


class _Hop(NamedTuple):
    """What one trusted proxy says of who called it."""

    address: bytes
    proto: bytes | None
    host: bytes | None


def client_address(
    peer: bytes, fields: Iterable[Field], trusted: TrustedNetworks, read: TrustedField = "x-forwarded-for"
) -> ClientInfo:
    """Return who the client is, given the address of the connection's peer and the request's fields.

    The walk ends at the first address that is not trusted, at ``unknown``, an obfuscated or a malformed identifier
    (then the hop that wrote it is the last one known), and after MAX_HOPS. Never raises.
    """
    if peer not in trusted:
        return ClientInfo(peer, None, None, ())
    hops: list[_Hop] = []
    for hop in _forwarded_hops(fields) if read == "forwarded" else _x_forwarded_hops(fields):
        hops.append(hop)
        if len(hops) == MAX_HOPS or hop.address not in trusted:
            break
    if not hops:
        return ClientInfo(peer, None, None, ())
    client = hops[-1]
    return ClientInfo(client.address, client.proto, client.host, tuple(hop.address for hop in reversed(hops)))


def _joined(fields: Iterable[Field], name: bytes) -> bytes:
    """RFC 9110 5.3: several lines of a list field are one list, in their order."""
    return b",".join([field[1] for field in fields if field[0] == name])


def _x_forwarded_hops(fields: Iterable[Field]) -> Iterator[_Hop]:
    """The entries of X-Forwarded-For from right to left, with the X-Forwarded-Proto and -Host of the same hop.

    Proxies either append to these two or set them once at the edge; so a list shorter than the walk gives its leftmost.
    """
    fields = [field for field in fields if field[0].startswith(b"x-forwarded-")]
    protos = _joined(fields, b"x-forwarded-proto").rsplit(b",", MAX_HOPS)
    hosts = _joined(fields, b"x-forwarded-host").rsplit(b",", MAX_HOPS)
    for place, entry in enumerate(reversed(_joined(fields, b"x-forwarded-for").rsplit(b",", MAX_HOPS)), 1):
        address = _node_address(entry.strip(b" \t"), bare_ipv6=True)
        if address is None:
            return
        yield _Hop(address, _proto(protos[-min(place, len(protos))]), _host(hosts[-min(place, len(hosts))]))


def _forwarded_hops(fields: Iterable[Field]) -> Iterator[_Hop]:
    """RFC 7239 section 4: the elements of Forwarded from right to left."""
    for element in _elements_from_right(_joined(fields, b"forwarded")):
        pairs: dict[bytes, bytes] = {}
        for pair in filter(None, (pair.strip(b" \t") for pair in element)):
            name, equals, value = pair.partition(b"=")
            if name.lower() in pairs or not equals:  # section 4: a parameter "MUST NOT occur more than once"
                return
            pairs[name.lower()] = _unquoted(value)
        address = _node_address(pairs.get(b"for", b""))
        if address is None:
            return
        yield _Hop(address, _proto(pairs.get(b"proto", b"")), _host(pairs.get(b"host", b"")))


def _elements_from_right(text: bytes) -> Iterator[list[bytes]]:
    """Split at ``,`` and ``;`` outside quoted strings, beginning at the right end.

    From the right, because an unbalanced quote that a client sends must not swallow what a trusted hop appends.
    """
    whole = len(text) <= MAX_FORWARDED
    text = text[-MAX_FORWARDED:]
    pairs: list[bytes] = []
    end = position = len(text)
    while (position := max(text.rfind(mark, 0, position) for mark in (b",", b";", b'"'))) >= 0:
        if text[position] == 0x22:
            position = _opening_quote(text, position)
            if position < 0:
                return
            continue
        if len(pairs) == _MAX_PAIRS:
            return
        pairs.append(text[position + 1 : end])
        if text[position] == 0x2C:
            yield pairs
            pairs = []
        end = position
    if whole:
        yield [*pairs, text[:end]]


def _opening_quote(text: bytes, closing: int) -> int:
    """Return the index of the quote that opens the string closed at `closing`, or -1."""
    position = text.rfind(b'"', 0, closing)
    while position > 0 and text[position - 1] == 0x5C:  # an escaped quote: RFC 9110 5.6.4
        position = text.rfind(b'"', 0, position)
    return position


def _unquoted(value: bytes) -> bytes:
    if len(value) >= 2 and value[0] == 0x22 == value[-1]:
        return re.sub(rb"\\(.)", rb"\1", value[1:-1])
    return value


def _node_address(node: bytes, *, bare_ipv6: bool = False) -> bytes | None:
    if bare_ipv6 and node.count(b":") > 1 and not node.startswith(b"["):
        return normal_address(node)
    match = _NODE.fullmatch(node)
    if match is None:
        return None
    name = match.group(1)
    if name[0] != 0x5B:
        return normal_address(name)
    return normal_address(name[1:-1]) if b":" in name else None


def _proto(value: bytes) -> bytes | None:
    value = value.strip(b" \t").lower()
    return value if value in _PROTOCOLS else None


def _host(value: bytes) -> bytes | None:
    value = value.strip(b" \t")
    try:
        split_authority(value)
    except HttpError:
        return None
    return value or None


def forwarding_lines(written: Written, client: ClientInfo, peer: bytes, proto: bytes, host: bytes) -> bytes:
    """Return the header lines, CRLFs included, that tell the server who asked.

    `peer` is the connection's other end; `proto` and `host` are this connection's scheme and the request's host, used
    where no trusted proxy knows better. Believed hops come first; anything a client invented is not passed on.
    """
    proto = client.proto or proto
    host = client.host or host
    if written == "x-forwarded":
        return _x_forwarded_lines(client, peer, proto, host)
    if written == "forwarded":
        return _forwarded_line(client, peer, proto, host)
    if written == "both":
        return _x_forwarded_lines(client, peer, proto, host) + _forwarded_line(client, peer, proto, host)
    return b""


def _x_forwarded_lines(client: ClientInfo, peer: bytes, proto: bytes, host: bytes) -> bytes:
    chain = b", ".join((*client.hops, _plain(peer))) if client.hops else _plain(peer)
    if not host:
        return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n" % (chain, proto)
    return b"X-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: %b\r\n" % (chain, proto, host)


def _forwarded_line(client: ClientInfo, peer: bytes, proto: bytes, host: bytes) -> bytes:
    first, *later = [b"for=" + _node(address) for address in (*client.hops, peer)]
    told = b";proto=" + proto
    if host:
        told = b";host=%b%b" % (b'"%b"' % host if b":" in host else host, told)
    return b"Forwarded: %b\r\n" % b", ".join((first + told, *later))


def _plain(address: bytes) -> bytes:
    return b"unknown" if _is_unix(address) else address


def _node(address: bytes) -> bytes:
    """RFC 7239 6.1: an IPv6 address is bracketed, and quoted because of it."""
    if _is_unix(address):
        return b"unknown"
    return b'"[%b]"' % address if b":" in address else address


def _is_unix(address: bytes) -> bool:
    return not address or address.startswith(b"unix:")
