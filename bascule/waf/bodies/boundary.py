"""The boundary of multipart/form-data, from the Content-Type header (RFC 2046 section 5.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_CONTENT_TYPE = 1024
_WHITE = b" \t\n\v\f\r"
_VALID = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]*(?<! )")


@dataclass(slots=True)
class Boundary:
    """`text` is the boundary; the flags say what was odd about the header; `error` why there is none."""

    text: bytes = b""
    quoted: bool = False
    whitespace: bool = False
    missing_semicolon: bool = False
    error: str = ""


def _count(header: bytes) -> int:
    lowered = header.lower()
    return sum(1 for found in re.finditer(b"boundary", lowered) if b"=" in lowered[found.end() :])


def parse_boundary(content_type: bytes) -> Boundary:
    """Read the boundary as strictly as ModSecurity v3 does (Multipart::init)."""
    result = Boundary()
    error = _read(content_type, result)
    if error:
        result.error = "Multipart: " + error
        result.text = b""
    return result


def _read(header: bytes, result: Boundary) -> str:
    """Fill the result; return what is wrong."""
    if not header:
        return "Content-Type header not available."
    if len(header) > MAX_CONTENT_TYPE:
        return "Invalid boundary in C-T (length)."
    if header[:19].lower() != b"multipart/form-data":
        return "Invalid MIME type."
    if _count(header) > 1:
        return "Multiple boundary parameters in C-T."
    at = header.find(b"boundary")
    if at < 0:
        return "Invalid boundary in C-T (case sensitivity)." if _count(header) else "Boundary not found in C-T."
    between = header[19:at].translate(None, _WHITE)
    if between not in (b"", b";"):
        return "Invalid boundary in C-T (malformed)."
    result.missing_semicolon = not between
    name, equals, value = header[at + 8 :].partition(b"=")
    if not equals:
        return "Invalid boundary in C-T (malformed)."
    if name.strip(_WHITE):
        return "Invalid boundary in C-T (parameter name)."
    result.whitespace = bool(name) or value[:1].isspace()
    return _read_value(value, result)


def _read_value(value: bytes, result: Boundary) -> str:
    if len(value) >= 2 and value.startswith(b'"') and value.endswith(b'"'):
        value = value[1:-1]
        result.quoted = True
    elif value.startswith(b'"') or (len(value) >= 2 and value.endswith(b'"')):
        return "Invalid boundary in C-T (quote)."
    if _count(value):
        return "Invalid boundary in C-T (content)."
    if _VALID.fullmatch(value) is None:
        value = value.partition(b";")[0]  # some clients add a charset after the boundary
    if _VALID.fullmatch(value) is None:
        return "Invalid boundary in C-T (characters)."
    if not value:
        return "Invalid boundary in C-T (empty)."
    result.text = value
    return ""
