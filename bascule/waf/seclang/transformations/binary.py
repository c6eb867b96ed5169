"""Base64, hexadecimal, digests and parity."""

from __future__ import annotations

import hashlib
import re
from binascii import a2b_base64, b2a_base64

_B64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_B64 = bytes(set(range(256)) - set(_B64_ALPHABET))
# What mbedtls_base64_decode accepts: line ends anywhere (blanks before them), at most two pads, blanks last.
_B64_STRICT = re.compile(rb"(?:[A-Za-z0-9+/]| *+\r?\n)*+(?:=(?: *+\r?\n)*+){0,2}+ *+")
_B64_LONE_PAD = re.compile(rb"=(?!=)")
_HEX_PAIRS = re.compile(rb"(?:[0-9A-Fa-f]{2})*+")
_SQL_HEX = re.compile(rb"0[xX]((?:[0-9A-Fa-f]{2})++)")


def base64_decode(value: bytes) -> bytes:
    """Decode strictly (RFC 4648, line ends allowed) up to a NUL; return the value as it is where that fails."""
    text = value.partition(b"\0")[0]
    if _B64_STRICT.fullmatch(text) is None:
        return value
    digits = text.translate(None, b"\r\n ")
    return a2b_base64(digits) if value and len(digits) & 3 == 0 else value


def base64_decode_ext(value: bytes) -> bytes:
    """Decode forgivingly: skip what is not Base64, and decode an unfinished last group too."""
    digits = value.translate(None, _NOT_B64)
    if b"=" in value and _pad_after_first_digit(value):
        return b""
    rest = len(digits) & 3
    if rest == 1:
        # ModSecurity compares the *decoded* last digit with '=' (61), which is what '9' decodes to.
        if value[-1:] == b"9":
            return b""
        digits = digits[:-1]
    elif rest:
        digits += b"=" * (4 - rest)
    return a2b_base64(digits) if value else value


def _pad_after_first_digit(value: bytes) -> bool:
    """Tell whether a run of pads ends where only the first digit of a group has been seen."""
    digits = start = 0
    for pad in _B64_LONE_PAD.finditer(value):
        digits += len(value[start : pad.start()].translate(None, _NOT_B64))
        start = pad.end()
        if digits & 3 == 1:
            return True
    return False


def base64_encode(value: bytes) -> bytes:
    """Encode as Base64 without line ends."""
    return b2a_base64(value, newline=False) if value else value


def _digit(char: int) -> int:
    return (char & 0xDF) - ord("A") + 10 if char >= ord("A") else char - ord("0")


# ModSecurity's x2c() does not check its digits: junk yields junk, and rules may rely on which.
_HIGH = bytes((_digit(char) * 16) & 0xFF for char in range(256))
_LOW = bytes(_digit(char) & 0xFF for char in range(256))


def hex_decode(value: bytes) -> bytes:
    """Decode pairs of hexadecimal digits; a last odd byte is dropped."""
    if len(value) & 1:
        value = value[:-1]
    if _HEX_PAIRS.fullmatch(value) is not None:
        return bytes.fromhex(value.decode("ascii")) if value else value
    pairs = zip(value[::2].translate(_HIGH), value[1::2].translate(_LOW), strict=True)
    return bytes([(high + low) & 0xFF for high, low in pairs])


def hex_encode(value: bytes) -> bytes:
    """Encode as lower-case hexadecimal."""
    return value.hex().encode("ascii") if value else value


def sql_hex_decode(value: bytes) -> bytes:
    """Decode SQL literals of the form 0x414243."""
    if b"0x" not in value and b"0X" not in value:
        return value
    out = _SQL_HEX.sub(lambda match: bytes.fromhex(match[1].decode("ascii")), value)
    return value if out == value else out


def md5(value: bytes) -> bytes:
    """Return the raw MD5 digest."""
    return hashlib.md5(value, usedforsecurity=False).digest()


def sha1(value: bytes) -> bytes:
    """Return the raw SHA-1 digest."""
    return hashlib.sha1(value, usedforsecurity=False).digest()


def _parity(char: int) -> int:
    # As ModSecurity computes it: over all eight bits, although the eighth is then replaced.
    return char.bit_count() & 1


_EVEN = bytes(char | 0x80 if _parity(char) else char & 0x7F for char in range(256))
_ODD = bytes(char & 0x7F if _parity(char) else char | 0x80 for char in range(256))
_ZERO = bytes(char & 0x7F for char in range(256))


def _translated(value: bytes, table: bytes) -> bytes:
    out = value.translate(table)
    return value if out == value else out


def parity_even_7bit(value: bytes) -> bytes:
    """Set the eighth bit of each byte to even parity."""
    return _translated(value, _EVEN)


def parity_odd_7bit(value: bytes) -> bytes:
    """Set the eighth bit of each byte to odd parity."""
    return _translated(value, _ODD)


def parity_zero_7bit(value: bytes) -> bytes:
    """Clear the eighth bit of each byte."""
    return value if value.isascii() else value.translate(_ZERO)
