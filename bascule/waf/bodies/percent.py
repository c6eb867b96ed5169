"""Percent-decoding, shared by bodies and by the transformations."""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")

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
    pieces = _ESCAPE.split(value)
    if len(pieces) == 1:
        return value
    pieces[1::2] = map(BYTE_OF.__getitem__, pieces[1::2])
    return b"".join(pieces)
