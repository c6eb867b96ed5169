"""URL encoding, the %uHHHH form, and UTF-8 to %uHHHH."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from bascule.waf.bodies.percent import BYTE_OF, PERCENT, PLUS, PORTION, by_portions, url_decode

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2}|[uU][0-9A-Fa-f]{4})")
_UNSAFE = re.compile(rb"[^*0-9A-Za-z]")
_ENCODED = {bytes([c]): b"+" if c == 0x20 else b"%%%02x" % c for c in range(256)}
_UTF8 = re.compile(
    rb"([\xC0-\xDF][\x80-\xBF]|[\xE0-\xEF][\x80-\xBF]{2}|[\xF0-\xF7][\x80-\xBF]{3}|[\xC0-\xF7]|\0(?=[\x00-\xFF]))"
)


def make_url_decode_uni(unicode_map: Mapping[int, int] | None = None) -> Callable[[bytes], bytes]:
    """Return `t:urlDecodeUni` for a code page (`SecUnicodeMapFile`): code point -> byte.

    Code points outside the map, or all of them without one, become their low byte; full-width
    ASCII (U+FF01..U+FF5E) becomes ASCII.
    """
    table = unicode_map or {}

    def decoded(digits: bytes) -> bytes:
        if len(digits) == 2:
            return BYTE_OF[digits]
        code = int(digits[1:], 16)
        if (mapped := table.get(code)) is not None:
            return bytes([mapped & 0xFF])
        low = code & 0xFF
        return bytes([low + 0x20 if code >> 8 == 0xFF and 0 < low < 0x5F else low])

    def url_decode_uni(value: bytes) -> bytes:
        if PLUS in value:
            value = value.replace(b"+", b" ")
        if PERCENT not in value:
            return value
        return portion(value) if len(value) <= PORTION else by_portions(value, portion)

    def portion(value: bytes) -> bytes:
        pieces = _ESCAPE.split(value)
        if len(pieces) == 1:
            return value
        pieces[1::2] = map(decoded, pieces[1::2])
        return b"".join(pieces)

    return url_decode_uni


__all__ = ["make_url_decode_uni", "url_decode", "url_decode_uni", "url_encode", "utf8_to_unicode"]

url_decode_uni = make_url_decode_uni()


def url_encode(value: bytes) -> bytes:
    """Encode all but `*`, digits and letters; a blank becomes `+`."""
    if _UNSAFE.search(value) is None:
        return value
    return _UNSAFE.sub(lambda match: _ENCODED[match[0]], value)


@lru_cache(maxsize=4096)
def _utf8_char(char: bytes) -> bytes:
    lead = char[:1]
    if len(char) == 1:  # a NUL, or a lead byte without its continuation: gone, unless beyond U+10FFFF
        return lead if lead >= b"\xf5" else b""
    code = char[0] & (0xFF >> (len(char) + 1))
    for byte in char[1:]:
        code = code << 6 | byte & 0x3F
    out = b"%%u%04x" % code
    if lead >= b"\xf5":
        out = lead + out
    if 0xD800 <= code <= 0xDFFF or code < (0x80, 0x800, 0x10000)[len(char) - 2]:
        out += lead  # surrogates and over-long forms are marked by the raw lead byte
    return out


def utf8_to_unicode(value: bytes) -> bytes:
    """Rewrite UTF-8 sequences as `%uHHHH` (RFC 3629); bytes that begin no sequence stay."""
    if value.isascii() and b"\0" not in value:
        return value
    pieces = _UTF8.split(value)
    pieces[1::2] = map(_utf8_char, pieces[1::2])
    out = b"".join(pieces)
    return value if out == value else out
