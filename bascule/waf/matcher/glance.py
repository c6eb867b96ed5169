"""Names and values as they stand in a query, a form or a Cookie field, joined without taking it apart: for one scan.

Where nothing has to be decoded, they are what stands between the separators, and one pass puts seams in their place; a
form is decoded behind that.
"""

from __future__ import annotations

from collections.abc import Iterable

from bascule.waf.bodies.percent import url_decode
from bascule.waf.matcher.automaton import OTHER_SEAM
from bascule.waf.matcher.triggers import ALPHABET, PERCENT_CODE

_SEAMS = bytes.maketrans(b"&=", OTHER_SEAM + OTHER_SEAM)
_FIELDS = bytes.maketrans(b"&=+", OTHER_SEAM + OTHER_SEAM + b" ")
_AMPERSAND = b"&"[0]
_NOT_SIGNS = bytes(set(range(256)) - set(b"&="))


def fields_joined(fields: bytes, cookies: bytes = b"") -> bytes | None:
    """Return the names and values of a query or form, and of a Cookie field, joined by OTHER_SEAM.

    Both are of ordinary bytes, without escapes. None if one pass will not do: a value has a `=`, a cookie a `&`, or a
    name more than a blank before it, which is none of the name.
    """
    if fields.translate(None, _NOT_SIGNS).find(b"==") >= 0:
        return None
    text = fields.translate(_FIELDS)
    if not cookies:
        return text
    if _AMPERSAND in cookies:
        return None
    crumbs = cookies.strip(b" ").replace(b"; ", b"&").replace(b";", b"&")
    if crumbs.find(b"& ") >= 0 or crumbs.translate(None, _NOT_SIGNS).find(b"==") >= 0:
        return None
    crumbs = crumbs.translate(_SEAMS)
    return text + OTHER_SEAM + crumbs if text else crumbs


def form_joined(form: bytes) -> bytes | None:
    """As `fields_joined` for a form whose escapes are valid, and decoded; None also if they stand for other bytes."""
    text = fields_joined(form)
    if text is None or PERCENT_CODE not in text:
        return text
    decoded = url_decode(text)
    return decoded if decoded.translate(None, ALPHABET) == OTHER_SEAM * text.count(OTHER_SEAM) else None


def texts_of(pairs: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the names and values of what had to be parsed."""
    return [text for pair in pairs for text in pair]
