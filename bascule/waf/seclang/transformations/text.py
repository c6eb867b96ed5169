"""Case, white space, NULs, and the command-line normalisation."""

from __future__ import annotations

import re

_LEADING = b" \t\n\v\f\r"  # isspace() in the C locale
_NBSP = b"\xa0\xc2"  # ModSecurity drops both bytes of a UTF-8 no-break space, each by itself
_COMPRESSIBLE = re.compile(rb"[\t\n\v\f\r][ \t\n\v\f\r]*| [ \t\n\v\f\r]+")  # not a blank by itself
_CMD_TABLE = bytes.maketrans(b",;\t\r\n", b"     ")
_CMD_DROPPED = b"\"'\\^"
_BLANKS = re.compile(rb"  +")


def none(value: bytes) -> bytes:
    """Return the value (`t:none` itself only clears the chain, which is the engine's affair)."""
    return value


def lowercase(value: bytes) -> bytes:
    """Map A-Z to a-z; bytes above 0x7F stay."""
    lower = value.lower()
    return value if lower == value else lower


def uppercase(value: bytes) -> bytes:
    """Map a-z to A-Z; bytes above 0x7F stay."""
    upper = value.upper()
    return value if upper == value else upper


def length(value: bytes) -> bytes:
    """Return the number of bytes as decimal digits."""
    return b"%d" % len(value)


def trim(value: bytes) -> bytes:
    """Drop white space at both ends."""
    return value.strip(_LEADING)


def trim_left(value: bytes) -> bytes:
    """Drop white space at the start."""
    return value.lstrip(_LEADING)


def trim_right(value: bytes) -> bytes:
    """Drop white space at the end."""
    return value.rstrip(_LEADING)


def compress_whitespace(value: bytes) -> bytes:
    """Replace each run of white space by one blank."""
    if _COMPRESSIBLE.search(value) is None:
        return value
    return _COMPRESSIBLE.sub(b" ", value)


def remove_whitespace(value: bytes) -> bytes:
    """Drop all white space and the bytes of no-break spaces."""
    kept = value.translate(None, _LEADING + _NBSP)
    return value if len(kept) == len(value) else kept


def remove_nulls(value: bytes) -> bytes:
    """Drop NUL bytes."""
    return value.replace(b"\0", b"") if b"\0" in value else value


def replace_nulls(value: bytes) -> bytes:
    """Replace each NUL byte by a blank."""
    return value.replace(b"\0", b" ") if b"\0" in value else value


def cmd_line(value: bytes) -> bytes:
    """Undo what shells ignore: quotes, carets, runs of separators, blanks before `/` and `(`, and case."""
    line = value.translate(_CMD_TABLE, _CMD_DROPPED).lower()
    if b" " in line:
        line = _BLANKS.sub(b" ", line).replace(b" /", b"/").replace(b" (", b"(")
    return value if line == value else line
