"""Percent-decoding, shared by bodies and by the transformations."""

from __future__ import annotations

BYTE_OF = {
    high + low: bytes.fromhex((high + low).decode("ascii"))
    for high in (bytes([c]) for c in b"0123456789ABCDEFabcdef")
    for low in (bytes([c]) for c in b"0123456789ABCDEFabcdef")
}
"""Two hexadecimal digits -> the byte they stand for."""


def url_decode(value: bytes) -> bytes:
    """Decode `%HH` and `+`; leave what is not a valid escape as it stands. Same object if nothing changes."""
    if b"+" in value:
        value = value.replace(b"+", b" ")
    if b"%" not in value:
        return value
    head, *parts = value.split(b"%")
    out = [head]
    for part in parts:
        byte = BYTE_OF.get(part[:2])
        if byte is None:
            out += (b"%", part)
        else:
            out += (byte, part[2:])
    decoded = b"".join(out)
    return value if len(decoded) == len(value) else decoded
