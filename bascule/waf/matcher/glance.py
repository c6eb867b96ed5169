"""Names and values as they stand in a query, a form or a Cookie field, joined without taking it apart: for one scan.

Where nothing has to be decoded, they are what stands between the separators, and one pass puts seams in their place; a
form is decoded behind that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bascule.waf.bodies.percent import url_decode
from bascule.waf.matcher.automaton import OTHER_SEAM
from bascule.waf.seclang.operators import OperatorError
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.operators.tree import (
    Alt,
    Assert,
    Atomic,
    BackReference,
    Capture,
    Look,
    Node,
    Repeat,
    Seq,
    Set,
    byte_set,
)

_SEAMS: Final = bytes.maketrans(b"&=", OTHER_SEAM + OTHER_SEAM)
_FIELDS: Final = bytes.maketrans(b"&=+", OTHER_SEAM + OTHER_SEAM + b" ")
_AMPERSAND: Final = b"&"[0]
_BETWEEN_FIELDS = byte_set(b"&=%+")
_NOT_SIGNS: Final = bytes(set(range(256)) - set(b"&="))


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


def form_joined(form: bytes, plain: bytes) -> bytes | None:
    """Return the names and values of a form whose escapes are valid, decoded, joined by OTHER_SEAM.

    `plain` is what URL-decoding makes of it, of ordinary bytes alone. None if one pass will not do: a value has a `=`.
    """
    signs = form.translate(None, _NOT_SIGNS)
    if signs.find(b"==") >= 0:
        return None
    if plain.translate(None, _NOT_SIGNS) == signs:
        return plain.translate(_SEAMS)
    return url_decode(form.translate(_FIELDS))  # separators are encoded, too


def texts_of(pairs: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """Return the names and values of what had to be parsed."""
    return [text for pair in pairs for text in pair]


def stays_in_field(pattern: bytes) -> bool:
    """Whether what a pattern matches in a form lies within one name or value of it, which then matches, too.

    It does where no byte that separates or encodes is matched or looked at: then what is matched stands in the name or
    value as it does in the form, decoded or not. An edge of a word may be one only before an escape is decoded.
    """
    try:
        return _avoids(parse(pattern), _BETWEEN_FIELDS)
    except OperatorError:
        return False


def _avoids(node: Node, bits: int) -> bool:
    match node:
        case Set(own):
            return not own & bits
        case Assert(kind):
            return kind not in "bB"
        case Seq(items) | Alt(items):
            return all(_avoids(item, bits) for item in items)
        case Capture(inner) | Atomic(inner) | Repeat(inner) | Look(inner):
            return _avoids(inner, bits)
        case BackReference():
            return False
