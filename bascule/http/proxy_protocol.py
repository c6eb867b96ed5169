"""The PROXY protocol, versions 1 and 2 (haproxy.org/download/3.0/doc/proxy-protocol.txt), both directions.

A header is read only from peers that are named in the configuration, and then it must be there (section 2: "The
receiver MUST be configured to only receive the protocol ... and MUST not try to guess"). Anything else in its place
is an error; the connection is closed without an answer.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from bascule.http.addresses import normal_address

MAX_V1: Final = 107
"""Section 2.1: the longest version 1 line, CRLF included."""
MAX_V2: Final = 536
"""Section 2: what a sender may count on to be taken in one piece; larger headers are refused."""

_V1: Final = b"PROXY "
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_HEAD: Final = 16
_INET, _INET6, _UNIX = 1, 2, 3
_BLOCK_SIZES: Final = {0: 0, _INET: 12, _INET6: 36, _UNIX: 216}
_STREAM: Final = 1
_CRC32C: Final = 0x03


class ProxyProtocolError(ValueError):
    """The connection does not begin with a valid PROXY protocol header."""


class Endpoint(NamedTuple):
    """One end of the connection: a normal textual address and a port, or ``unix:path`` and port 0."""

    address: bytes
    port: int


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a header says. Both ends are None for LOCAL, UNKNOWN and UNSPEC: then the connection's own ends hold."""

    source: Endpoint | None
    destination: Endpoint | None


_NO_ENDS: Final = ProxyHeader(None, None)


def parse(data: bytes) -> tuple[ProxyHeader, int] | None:
    """Return the header at the beginning of `data` and its length in bytes; None while it is incomplete.

    Raises ProxyProtocolError as soon as no header can come of it.
    """
    if data.startswith(_V1):
        return _parse_v1(data)
    if data.startswith(_V2):
        return _parse_v2(data)
    if _V1.startswith(data) or _V2.startswith(data):
        return None
    raise ProxyProtocolError("no PROXY protocol header")


def _parse_v1(data: bytes) -> tuple[ProxyHeader, int] | None:
    """Section 2.1: ``PROXY SP TCP4|TCP6 SP source SP destination SP port SP port CRLF``."""
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1:
            raise ProxyProtocolError("v1 line longer than 107 bytes")
        return None
    words = data[len(_V1) : end].split(b" ")
    if words[0] == b"UNKNOWN":  # the rest of the line is to be ignored
        return _NO_ENDS, end + 2
    if len(words) != 5 or words[0] not in (b"TCP4", b"TCP6"):
        raise ProxyProtocolError("v1 line is not PROXY TCP4|TCP6|UNKNOWN with two addresses and two ports")
    six = words[0] == b"TCP6"
    source = Endpoint(_v1_address(words[1], six), _v1_port(words[3]))
    destination = Endpoint(_v1_address(words[2], six), _v1_port(words[4]))
    return ProxyHeader(source, destination), end + 2


def _v1_address(word: bytes, six: bool) -> bytes:
    address = normal_address(word) if (b":" in word) == six else None
    if address is None:
        raise ProxyProtocolError("v1 address is malformed or of the other family")
    return address


def _v1_port(word: bytes) -> int:
    if not word.isdigit() or len(word) > 5 or (word[0] == 0x30 and len(word) > 1) or int(word) > 65535:
        raise ProxyProtocolError("v1 port is not a number from 0 to 65535")
    return int(word)


def _parse_v2(data: bytes) -> tuple[ProxyHeader, int] | None:
    """Section 2.2: signature, version and command, family and transport, length, addresses, TLVs."""
    if len(data) < _V2_HEAD:
        return None
    command, family = data[12], data[13]
    if command not in (0x20, 0x21):
        raise ProxyProtocolError("v2 version or command is unknown")
    size = _V2_HEAD + int.from_bytes(data[14:16], "big")
    if size > MAX_V2:
        raise ProxyProtocolError("v2 header longer than 536 bytes")
    if len(data) < size:
        return None
    if command == 0x20:  # LOCAL: valid whatever the block holds, which is discarded
        return _NO_ENDS, size
    block = _BLOCK_SIZES.get(family >> 4)
    if block is None or family & 15 > _STREAM or (block and family & 15 != _STREAM):
        raise ProxyProtocolError("v2 address family or transport is not a stream's")
    if not block:  # UNSPEC: accepted, and the rest is to be ignored
        return _NO_ENDS, size
    if size - _V2_HEAD < block:
        raise ProxyProtocolError("v2 header is shorter than its addresses")
    _check_tlvs(data[:size], _V2_HEAD + block)
    return _v2_ends(family >> 4, data[_V2_HEAD : _V2_HEAD + block]), size


def _v2_ends(family: int, block: bytes) -> ProxyHeader:
    if family == _INET:
        source, destination, source_port, destination_port = struct.unpack("!4s4sHH", block)
        ends = str(IPv4Address(source)), str(IPv4Address(destination))
    elif family == _INET6:
        source, destination, source_port, destination_port = struct.unpack("!16s16sHH", block)
        six = IPv6Address(source), IPv6Address(destination)
        ends = str(six[0].ipv4_mapped or six[0]), str(six[1].ipv4_mapped or six[1])
    else:
        return ProxyHeader(_unix_end(block[:108]), _unix_end(block[108:]))
    return ProxyHeader(Endpoint(ends[0].encode(), source_port), Endpoint(ends[1].encode(), destination_port))


def _unix_end(field: bytes) -> Endpoint:
    """An abstract name begins with NUL, written ``@``; a control character would split the fields we write it into."""
    abstract = field[0] == 0 and field.strip(b"\0")
    path = b"@" + field[1:].rstrip(b"\0") if abstract else field.split(b"\0", 1)[0]
    if any(byte <= 0x20 or byte >= 0x7F for byte in path):
        raise ProxyProtocolError("v2 UNIX path holds unprintable characters")
    return Endpoint(b"unix:" + path, 0)


def _check_tlvs(header: bytes, position: int) -> None:
    """Section 2.2.1 and 2.2.3: TLVs fill the rest exactly; the checksum, when there, covers the whole header."""
    while position < len(header):
        value = position + 3
        end = value + int.from_bytes(header[position + 1 : value], "big")
        if value > len(header) or end > len(header):
            raise ProxyProtocolError("v2 TLV goes beyond the header")
        if header[position] == _CRC32C:
            blanked = header[:value] + bytes(end - value) + header[end:]
            if end - value != 4 or crc32c(blanked) != int.from_bytes(header[value:end], "big"):
                raise ProxyProtocolError("v2 checksum is wrong")
        position = end


def encode_v1(source: Endpoint | None, destination: Endpoint | None) -> bytes:
    """Return a version 1 line; ``UNKNOWN`` when the ends are not both IP addresses."""
    ends = _ip_ends(source, destination)
    if ends is None:
        return b"PROXY UNKNOWN\r\n"
    (near, near_port), (far, far_port) = ends
    return b"PROXY TCP%d %s %s %d %d\r\n" % (
        near.version, str(near).encode(), str(far).encode(), near_port, far_port,
    )  # fmt: skip


def encode_v2(source: Endpoint | None, destination: Endpoint | None, *, checksum: bool = False) -> bytes:
    """Return a version 2 header; LOCAL when the ends are not both IP addresses or both UNIX sockets."""
    ends = _ip_ends(source, destination)
    command = 0x21
    if ends is not None:
        (near, near_port), (far, far_port) = ends
        family = _INET if near.version == 4 else _INET6
        block = near.packed + far.packed + struct.pack("!HH", near_port, far_port)
    elif source and destination and source.address.startswith(b"unix:") and destination.address.startswith(b"unix:"):
        family, block = _UNIX, _unix_field(source) + _unix_field(destination)
    else:
        command, family, block = 0x20, 0, b""
    transport = family << 4 | (_STREAM if family else 0)
    if not checksum:
        return _V2 + struct.pack("!BBH", command, transport, len(block)) + block
    head = _V2 + struct.pack("!BBH", command, transport, len(block) + 7) + block + bytes((_CRC32C, 0, 4))
    return head + crc32c(head + bytes(4)).to_bytes(4, "big")


_IpEnd = tuple[IPv4Address | IPv6Address, int]


def _ip_ends(source: Endpoint | None, destination: Endpoint | None) -> tuple[_IpEnd, _IpEnd] | None:
    """Both ends in one family: an IPv4 end is mapped when the other one is IPv6."""
    if source is None or destination is None:
        return None
    ends: list[IPv4Address | IPv6Address] = []
    for end in (source, destination):
        normal = normal_address(end.address)
        if normal is None:
            return None
        ends.append(IPv6Address(normal.decode()) if b":" in normal else IPv4Address(normal.decode()))
    if ends[0].version != ends[1].version:
        ends = [IPv6Address(f"::ffff:{end}") if end.version == 4 else end for end in ends]
    return (ends[0], source.port), (ends[1], destination.port)


def _unix_field(end: Endpoint) -> bytes:
    path = end.address.removeprefix(b"unix:")
    if path.startswith(b"@"):
        path = b"\0" + path[1:]
    if len(path) > 108:
        raise ValueError(f"UNIX socket path of {len(path)} bytes; the PROXY protocol carries at most 108")
    return path.ljust(108, b"\0")


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return tuple(table)


_CRC_TABLE: Final = _crc_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli; RFC 3720 appendix B.4) of `data`."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
