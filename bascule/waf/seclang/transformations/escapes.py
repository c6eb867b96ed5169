"""Escapes of CSS, C, JavaScript and HTML."""

from __future__ import annotations

import re

from bascule.waf.pace import rest

_BACKSLASH = b"\\"[0]
_CONTROLS = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_BYTES = [bytes([code]) for code in range(256)]

_CSS = re.compile(rb"\\(?:([0-9A-Fa-f]{1,6})[ \t\n\v\f\r]?|(\n)|([\x00-\xFF])?)")
_ANSI_C = re.compile(rb"\\(?:[xX]([0-9A-Fa-f]{2})|([0-7]{1,3})|([\x00-\xFF]))")
_JS = re.compile(rb"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-3][0-7]{0,2}|[4-7][0-7]?)|([\x00-\xFF]))")
_ENTITY = re.compile(rb"&(?:#(?:[xX]([0-9A-Fa-f]+)|([0-9]+))|(quot|amp|lt|gt|nbsp)(?![0-9A-Za-z]));?", re.IGNORECASE)
_NAMED = {b"quot": b'"', b"amp": b"&", b"lt": b"<", b"gt": b">", b"nbsp": b"\xa0"}
_LONG_MAX = 2**63 - 1


def _narrow(code: int) -> bytes:
    """Return the low byte; full-width ASCII (U+FF01..U+FF5E) as ASCII."""
    low = code & 0xFF
    return _BYTES[low + 0x20 if code & 0xFF00 == 0xFF00 and 0 < low < 0x5F else low]


def _css_escape(match: re.Match[bytes]) -> bytes:
    rest()
    digits, newline, other = match.groups()
    if digits is None:
        return b"" if newline is not None else other or b""
    code = int(digits, 16)
    # Full-width forms are recognised only in four digits, not counting leading zeros.
    whole = len(digits) == 4 or (len(digits) > 4 and code <= 0xFFFF)
    return _narrow(code) if whole else _BYTES[code & 0xFF]


def css_decode(value: bytes) -> bytes:
    """Decode CSS 2 escapes (CSS 2.1 section 4.1.3), keeping the low byte of each code point."""
    return _CSS.sub(_css_escape, value) if b"\\" in value else value


def _ansi_c_escape(match: re.Match[bytes]) -> bytes:
    rest()
    hexadecimal, octal, other = match.groups()
    if hexadecimal is not None:
        return _BYTES[int(hexadecimal, 16)]
    if octal is not None:
        return _BYTES[int(octal, 8) & 0xFF]
    return _CONTROLS.get(other, other)


def escape_seq_decode(value: bytes) -> bytes:
    """Decode the escapes of ANSI C; a backslash before any other byte is dropped."""
    if b"\\" not in value:
        return value
    out = _ANSI_C.sub(_ansi_c_escape, value)
    return value if len(out) == len(value) else out


def _js_escape(match: re.Match[bytes]) -> bytes:
    rest()
    wide, hexadecimal, octal, other = match.groups()
    if wide is not None:
        return _narrow(int(wide, 16))
    if hexadecimal is not None:
        return _BYTES[int(hexadecimal, 16)]
    if octal is not None:
        return _BYTES[int(octal, 8)]
    return _CONTROLS.get(other, other)


def js_decode(value: bytes) -> bytes:
    """Decode the escapes of JavaScript strings, keeping the low byte of each code point."""
    if _BACKSLASH not in value:
        return value
    out = _JS.sub(_js_escape, value)
    return value if len(out) == len(value) else out


def _entity(match: re.Match[bytes]) -> bytes:
    rest()
    hexadecimal, decimal, name = match.groups()
    if name is not None:
        return _NAMED[name.lower()]
    digits, base = (hexadecimal, 16) if decimal is None else (decimal, 10)
    digits = digits.lstrip(b"0")
    if len(digits) > 19:  # strtol() saturates; and int() of thousands of digits is not linear
        return b"\xff"
    return _BYTES[min(int(digits or b"0", base), _LONG_MAX) & 0xFF]


def html_entity_decode(value: bytes) -> bytes:
    """Decode numeric entities to their low byte, and &quot; &amp; &lt; &gt; &nbsp; (0xA0)."""
    if b"&" not in value:
        return value
    out = _ENTITY.sub(_entity, value)
    return value if len(out) == len(value) else out
