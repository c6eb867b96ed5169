"""Names and values as they stand in a query, a form or a Cookie field, joined without taking it apart: for one scan.

Where nothing has to be decoded, they are what stands between the separators, and one pass puts seams in their place.
"""

from __future__ import annotations

from collections.abc import Iterable

from bascule.waf.matcher.automaton import OTHER_SEAM

_SEAMS = bytes.maketrans(b"&=", OTHER_SEAM + OTHER_SEAM)
_PLUS, _AMPERSAND = b"+&"
_NOT_SIGNS = bytes(set(range(256)) - set(b"&="))


def fields_joined(fields: bytes, cookies: bytes = b"") -> bytes | None:
    """Return the names and values of a query or form, and of a Cookie field, joined by OTHER_SEAM.

    Both are of ordinary bytes, without escapes. None if one pass will not do: a value has a `=`, a cookie a `&`, or a
    name more than a blank before it, which is none of the name.
    """
    text = fields.replace(b"+", b" ") if _PLUS in fields else fields
    if cookies:
        if _AMPERSAND in cookies:
            return None
        crumbs = cookies.strip(b" ").replace(b"; ", b"&").replace(b";", b"&")
        if crumbs.find(b"& ") >= 0:
            return None
        text = text + b"&" + crumbs if text else crumbs
    return None if text.translate(None, _NOT_SIGNS).find(b"==") >= 0 else text.translate(_SEAMS)


def texts_of(pairs: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the names and values of what had to be parsed."""
    return [text for pair in pairs for text in pair]
