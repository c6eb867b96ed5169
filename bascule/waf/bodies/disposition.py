"""The Content-Disposition header of a part (RFC 7578 section 4.2), read as ModSecurity v3 does."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BLANK = re.compile(rb"[\t ]*")
_NAME = re.compile(rb"[^=\t ]*")
_TOKEN = re.compile(rb"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]*")
_EXTENDED = re.compile(rb"[0-9A-Za-z!#$%&+\-^_`{}~]+'[^']*'((?:[0-9A-Za-z!#$&+\-.^_`|~]|%[0-9A-Fa-f]{2})*)")


@dataclass(slots=True)
class Disposition:
    """`code` is ModSecurity's: negative for what is invalid."""

    name: bytes = b""
    filename: bytes = b""
    extended: bytes = b""
    invalid_quoting: bool = False
    code: int = 1


def parse_disposition(value: bytes) -> Disposition:
    """Read the header's value."""
    result = Disposition()
    result.code = _read(value, result)
    return result


def _skip(value: bytes, at: int) -> int:
    found = _BLANK.match(value, at)
    assert found is not None
    return found.end()


def _read(value: bytes, result: Disposition) -> int:
    """Return ModSecurity's code: 1 for what is well-formed."""
    if not value.startswith(b"form-data"):
        return -1
    at, end = _skip(value, 9), len(value)
    if at == end:
        return 1
    if value[at : at + 1] != b";":
        return -2
    at += 1
    while at < end:
        at = _skip(value, at)
        if at == end:
            return -3
        found = _NAME.match(value, at)
        assert found is not None
        name, at = found[0], found.end()
        if at == end:
            return -4
        at = _skip(value, at)
        if at == end:
            return -5
        if value[at : at + 1] != b"=":
            return -13
        at = _skip(value, at + 1)
        if at == end:
            return -6
        text, at, quote = _read_value(value, at, name, result)
        if at < 0:
            return at
        if (code := _store(result, name, text, quote)) < 0:
            return code
        at = _skip(value, at)
        if at < end:
            if value[at : at + 1] != b";":
                result.invalid_quoting |= value[at - 1 : at] in (b"'", b'"')
                return -12
            at += 1
    return -21 if result.extended and not result.filename else 1


def _read_value(value: bytes, at: int, name: bytes, result: Disposition) -> tuple[bytes, int, bytes]:
    """Return the text, where it ends (a negative code for an error), and the quote around it."""
    if name == b"filename*":  # RFC 8187: charset'language'percent-encoded
        found = _EXTENDED.match(value, at)
        if found is None or (found.end() < len(value) and value[found.end() : found.end() + 1] != b";"):
            return b"", -16 if value.count(b"'", at) < 2 else -19, b""
        return found[1], found.end(), b""
    quote = value[at : at + 1]
    if quote not in (b'"', b"'"):
        token = _TOKEN.match(value, at)
        assert token is not None
        return token[0], token.end(), b""
    result.invalid_quoting |= quote == b"'"
    at += 1
    if at == len(value):
        return b"", -7, quote
    out, start = [], at
    while (char := value[at : at + 1]) and char != quote:
        if char == b"\\":
            if at + 1 == len(value):
                return b"", -8, quote
            if value[at + 1 : at + 2] in (quote, b"\\"):
                out.append(value[start:at])
                start = at + 1
                at += 1
        at += 1
    if not char:  # never closed
        result.invalid_quoting = True
        return b"", -9, quote
    out.append(value[start:at])
    return b"".join(out), at + 1, quote


def _store(result: Disposition, name: bytes, text: bytes, quote: bytes) -> int:
    if name not in (b"name", b"filename", b"filename*"):
        return -11
    if name != b"filename*" and quote != b'"' and b"'" in text:
        result.invalid_quoting = True
    if name == b"name":
        if result.name:
            return -14
        result.name = text
    elif name == b"filename":
        if result.filename:
            return -15
        result.filename = text
    else:
        if result.extended:
            return -20
        result.extended = text
    return 1
