"""Bodies in another charset than UTF-8: what a server reads that goes by the declared charset or by a byte order mark.

Servers written in Java, .NET and Python do so; rules that look at the bytes see nothing (the same attack in UTF-16 or
EBCDIC has other bytes).
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote_to_bytes

_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?([\w-]{1,24})", re.IGNORECASE)
LOOK: Final = 16
"""Bytes of a text by which its encoding is told."""
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_ASCII = rb"[\t -~]"
_PLAIN: Final = re.compile(rb"[\t\n\r -~]*")
_MARKED: Final = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_WIDE: Final = (
    (re.compile(_ASCII + rb"\x00\x00\x00" + _ASCII + rb"\x00"), "utf-32-le"),
    (re.compile(rb"\x00\x00\x00" + _ASCII + rb"\x00"), "utf-32-be"),
    (re.compile(_ASCII + rb"\x00" + _ASCII + rb"\x00"), "utf-16-le"),
    (re.compile(rb"\x00" + _ASCII + rb"\x00" + _ASCII), "utf-16-be"),
)
"""What a text begins with that has no mark (RFC 4627 3 tells JSON's encoding by its null bytes)."""
_CODECS = {
    **{name: name for name in ("utf-16", "utf-16le", "utf-16be", "utf-32", "utf-32le", "utf-32be", "utf-7")},
    **{name: name for name in ("ibm037", "ibm273", "ibm424", "ibm500", "ibm1026", "ibm1140", "cp037", "cp500")},
    "ucs-2": "utf-16", "utf16": "utf-16", "utf32": "utf-32", "utf7": "utf-7", "csutf7": "utf-7",
    "unicode-1-1-utf-7": "utf-7", "x-utf-16le-bom": "utf-16",
}  # fmt: skip
"""Charsets in which ASCII has other bytes (UTF-16 and EBCDIC), or letters stand for marks (UTF-7), and their codecs."""


def in_utf8(content_type: bytes, body: bytes) -> bytes:
    """Return a body in UTF-8 where a server may read it in another charset; nothing where it is what it looks like."""
    codec = _codec(content_type, body)
    if not codec:
        return b""
    if b"%" in body and body.isascii() and b"x-www-form-urlencoded" in content_type.lower():
        return b"&".join([_field(field, codec) for field in body.split(b"&")])
    text = body.decode(codec, "replace").encode("utf-8", "replace")
    return text.removeprefix(b"\xef\xbb\xbf")


def wide_codec(content_type: bytes, start: bytes) -> str:
    """Return the codec, with its byte order, of a text in UTF-16 or UTF-32 that begins so; nothing for any other.

    A mark counts first, then what it looks like (`LOOK` bytes suffice), then the charset, unless all of it is ASCII.
    """
    for mark, codec in _MARKED:
        if start.startswith(mark):
            return codec
    for look, codec in _WIDE:
        if look.match(start) is not None:
            return codec
    declared = declared_codec(content_type)
    if declared[:6] not in ("utf-16", "utf-32") or _PLAIN.fullmatch(start[:LOOK]) is not None:
        return ""
    return declared[:6] + ("-be" if declared.endswith("be") else "-le")


def declared_codec(content_type: bytes) -> str:
    """Return the codec of the charset that is declared, where ASCII has other bytes in it; nothing for all others."""
    if b"=" in content_type and (found := _CHARSET.search(content_type)) is not None:
        name = found[1].decode("ascii", "replace").lower().replace("_", "-")
        return _CODECS.get(name, "")
    return ""


def _field(field: bytes, codec: str) -> bytes:
    """Return a field of a form, whose escapes stand for bytes of the charset, with such as stand for UTF-8."""
    texts = [unquote_to_bytes(text.replace(b"+", b" ")).decode(codec, "replace") for text in field.split(b"=", 1)]
    return "=".join([quote(text, safe="", errors="replace") for text in texts]).encode()


def _codec(content_type: bytes, body: bytes) -> str:
    start = body[:4]
    if b"\x00" in start or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        for mark, codec in _MARKS:
            if body.startswith(mark):
                return codec
        for look, codec in _WIDE:
            if look.match(body) is not None:
                return codec
    return declared_codec(content_type)


def decoded_part(headers: Mapping[bytes, bytes], content: bytes) -> bytes:
    """Return what a part of a multipart body says once its transfer encoding (RFC 2045 6) and charset are undone.

    Nothing if it has neither. RFC 7578 4.7 does without transfer encodings, yet some servers honour them.
    """
    plain = content
    encoding = headers.get(b"content-transfer-encoding", b"").strip().lower()
    if encoding == b"base64":
        try:
            plain = base64.b64decode(content)
        except (binascii.Error, ValueError):
            plain = content
    elif encoding == b"quoted-printable":
        plain = quopri.decodestring(content)
    plain = in_utf8(headers.get(b"content-type", b""), plain) or plain
    return b"" if plain == content else plain
