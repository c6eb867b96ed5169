"""Percent-decoding, shared by bodies and by the transformations."""

from __future__ import annotations

import re
from collections.abc import Callable

from bascule.waf.pace import rest

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
PLUS, PERCENT = b"+%"
"""As numbers: a number is found in bytes in a tenth of the time that `b"%" in text` takes."""

BYTE_OF = {
    high + low: bytes.fromhex((high + low).decode("ascii"))
    for high in (bytes([c]) for c in b"0123456789ABCDEFabcdef")
    for low in (bytes([c]) for c in b"0123456789ABCDEFabcdef")
}
"""Two hexadecimal digits -> the byte they stand for."""


PORTION = 16_384
"""Bytes that are decoded in one go: a millisecond, if all of them are escapes."""


def by_portions(value: bytes, decode: Callable[[bytes], bytes]) -> bytes:
    """Decode a long value, and rest between its portions. Each begins with a `%`, which no escape holds inside."""
    parts: list[bytes] = []
    start, size = 0, len(value)
    while start < size:
        end = value.find(b"%", start + PORTION)
        parts.append(decode(value[start:end] if end >= 0 else value[start:]))
        start = end if end >= 0 else size
        rest()
    whole = b"".join(parts)
    return value if whole == value else whole


def url_decode(value: bytes) -> bytes:
    """Decode `%HH` and `+`; leave what is not a valid escape as it stands. Same object if nothing changes."""
    if PLUS in value:
        value = value.replace(b"+", b" ")
    if PERCENT not in value:
        return value
    return _decode(value) if len(value) <= PORTION else by_portions(value, _decode)


def _decode(value: bytes) -> bytes:
    pieces = _ESCAPE.split(value)
    if len(pieces) == 1:
        return value
    pieces[1::2] = map(BYTE_OF.__getitem__, pieces[1::2])
    return b"".join(pieces)
