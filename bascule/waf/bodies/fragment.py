"""Pieces of bodies: the start of one that is larger than the limit, a later window of it, a message of a stream.

A piece has no whole document, so nothing is wrong with it; what matters is that every text in it stands as a value
of its own, as the rules expect, wherever the piece was cut. Oversized or oddly cut input errs on the side of more
values, never of fewer.
"""

from __future__ import annotations

import re

from bascule.waf.pace import rest

from .json import parse_json
from .limits import DEFAULT_LIMITS, Limits, Pairs
from .urlencoded import parse_urlencoded

EVERY = Limits(fields=1 << 16, parts=1 << 12)
"""A piece is bounded by its size; no value in it goes uninspected."""
_MAX_TEXTS = 1000
_QUOTE = re.compile(rb'(?<!\\)"')
_MARKUP = re.compile(rb"[<>]")
_NUMBERS = re.compile(rb"[\s,:{}\[\]0-9.+-]*")
_ESCAPE = re.compile(rb'\\(?:u([0-9a-fA-F]{4})|(["\\/bfnrt]))')
_PLAIN = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True))


def fragment_pairs(kind: str, piece: bytes, separator: bytes = b"&") -> Pairs:
    """Return the values in a piece of a body of a processor's kind (URLENCODED, JSON, XML or none)."""
    if kind == "URLENCODED":
        return parse_urlencoded(piece, separator, EVERY).pairs
    if kind == "JSON":
        texts = [_unescape(text) for text in _QUOTE.split(piece) if not _NUMBERS.fullmatch(text)]
        return _named(b"json", texts)
    if kind == "XML":
        return _named(b"xml", [text for text in _MARKUP.split(piece) if text.strip()])
    return [] if b"\0" in piece else [(b"body", piece)]


def message_pairs(name: bytes, message: bytes, limits: Limits = DEFAULT_LIMITS) -> Pairs:
    """Return the values of a text message: the leaves of a JSON object or array, or else the text under `name`."""
    if message.lstrip(b" \t\r\n")[:1] in (b"{", b"["):
        document = parse_json(message, limits)
        if not document.error:
            return [(name + path[len(b"json") :], value) for path, value in document.pairs]
    return [(name, message)]


def _named(name: bytes, texts: list[bytes]) -> Pairs:
    """The texts as values; those beyond the bound stand together in the last one."""
    if len(texts) > _MAX_TEXTS:
        texts[_MAX_TEXTS - 1 :] = [b" ".join(texts[_MAX_TEXTS - 1 :])]
    return [(name, text) for text in texts]


def _unescape(text: bytes) -> bytes:
    """Undo JSON's escapes where they are whole."""
    return _ESCAPE.sub(_escaped, text) if b"\\" in text else text


def _escaped(found: re.Match[bytes]) -> bytes:
    rest()
    if found[1] is None:
        return bytes((_PLAIN[found[2][0]],))
    return chr(int(found[1], 16)).encode("utf-8", "surrogatepass")
