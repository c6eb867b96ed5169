"""Cross-site scripting: does the text, in any HTML context, carry markup that can run scripts?"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from .html5 import Html5
from .vocabulary import data

MEMO_SIZE: Final = 4096
MEMO_TEXT: Final = 256

CONTEXTS: Final = ("data", "no-quote", "'", '"', "`")
EVENTS: Final = tuple(event.encode("ascii") for event in data()["events"])
TAGS: Final = frozenset(
    b"APPLET BASE COMMENT EMBED FRAME FRAMESET HANDLER IFRAME IMPORT ISINDEX LINK LISTENER META NOSCRIPT OBJECT"
    b" SCRIPT STYLE VMLFRAME XML XSS".split()
)
# What the value of an attribute may do: black (always bad), url, style, indirect (it names an attribute).
ATTRIBUTES: Final = {
    **dict.fromkeys(
        b"ACTION BY BACKGROUND DYNSRC FORMACTION FOLDER FROM HANDLER HREF LOWSRC POSTER SRC TO VALUES"
        b" XLINK:HREF".split(),
        "url",
    ),
    b"ATTRIBUTENAME": "indirect",
    b"DATAFORMATAS": "black",
    b"DATASRC": "black",
    b"FILTER": "style",
    b"STYLE": "style",
}
_SCHEMES: Final = (b"DATA", b"VIEW-SOURCE", b"JAVA", b"VBSCRIPT")
_NO_ASCII: Final = bytes([*range(33), *range(127, 256)])
_ENTITY = re.compile(rb"&#(?:[xX]([0-9A-Fa-f]+)|([0-9]+));?")
_MAX_CODE: Final = 0x1000FF
_BEFORE: Final = rb"(?:\A|[\0 \t\n\v\f\r/\"'`])"
_ATTRIBUTE: Final = rb"(?:on[a-z]{2}|xmlns|xlink)"
_NAMED: Final = (
    rb"(?:action|attributename|by|background|dataformatas|datasrc|dynsrc|filter|formaction|folder|from|handler|href"
    rb"|lowsrc|poster|src|style|to|values)[\0 \t\n\v\f\r]*="
)
_SPOTS = re.compile(_BEFORE + b"(?:" + _ATTRIBUTE + b"|" + _NAMED + b")", re.IGNORECASE)
_BLACK: Final = b"(?:on(?:" + b"|".join(event.lower() for event in EVENTS) + b")|xmlns|xlink)"
NECESSARY: Final = (b"<", b"(?i)" + _BEFORE + _BLACK + b".*=", b"(?i)" + _BEFORE + _NAMED)
"""Expressions of which one matches each text that is XSS."""


def is_xss(text: bytes) -> bool:
    """Tell whether libinjection would call the text XSS. Linear in the text's length.

    Safety of the dismissal: tags, comments and document types need a `<`. An attribute needs a `=` after its
    name, which begins the text or follows white space, `/` or a quote; and only the names in _SPOTS matter.
    """
    if b"<" not in text and _SPOTS.search(text, 0, text.rfind(b"=") + 1) is None:
        return False
    return _memo(text) if len(text) <= MEMO_TEXT else _detect(text)


def _detect(text: bytes) -> bool:
    return any(_in_context(text, context) for context in CONTEXTS)


_memo = lru_cache(maxsize=MEMO_SIZE)(_detect)


def _in_context(text: bytes, context: str) -> bool:
    attribute = ""
    for kind, token in Html5(text, context):
        if kind == "ATTR_VALUE":
            if attribute and _is_black_value(attribute, token):
                return True
            attribute = ""
        elif kind == "ATTR_NAME":
            attribute = attribute_kind(token)
        else:
            attribute = ""
            if (
                kind == "DOCTYPE"
                or (kind == "TAG_NAME_OPEN" and is_black_tag(token))
                or (kind == "TAG_COMMENT" and _is_black_comment(token))
            ):
                return True
    return False


def _is_black_value(attribute: str, value: bytes) -> bool:
    if attribute == "url":
        return is_black_url(value)
    return attribute != "indirect" or bool(attribute_kind(value))


def is_black_tag(name: bytes) -> bool:
    """Tell whether a tag can run scripts. NULs are ignored, as old browsers do."""
    if len(name) < 3:
        return False
    return name[:3].upper() in (b"SVG", b"XSL") or name.replace(b"\0", b"").upper() in TAGS


def attribute_kind(name: bytes) -> str:
    """Return what an attribute's value may do, "" for nothing."""
    if len(name) < 2:
        return ""
    upper = name.upper()
    if len(name) >= 5:
        if upper.startswith(b"ON") and upper[2:].startswith(EVENTS):
            return "black"
        if upper.startswith((b"XMLNS", b"XLINK")):
            return "black"
    return ATTRIBUTES.get(upper.replace(b"\0", b""), "")


def _is_black_comment(comment: bytes) -> bool:
    if b"`" in comment:  # ends a tag in Internet Explorer
        return True
    start = comment[:6].upper()
    if len(comment) > 3 and start.startswith((b"[IF", b"XML")):
        return True
    return len(comment) > 5 and start in (b"IMPORT", b"ENTITY")


def is_black_url(value: bytes) -> bool:
    """Tell whether a URL, after HTML decoding, has a scheme that runs scripts."""
    value = value.lstrip(_NO_ASCII)
    return any(_starts_with(value, scheme) for scheme in _SCHEMES)


def _starts_with(value: bytes, scheme: bytes) -> bool:
    """Compare ignoring case, NULs and newlines, and white space at first, each possibly as an entity."""
    at, matched = 0, 0
    while at < len(value):
        if matched == len(scheme):
            return True
        code = value[at]
        step = 1
        if code == 0x26 and (entity := _ENTITY.match(value, at)) is not None:
            code, step = _entity(entity)
        at += step
        if code in (0, 10) or (matched == 0 and code <= 32):
            continue
        if 0x61 <= code <= 0x7A:
            code -= 0x20
        if code & 0xFF != scheme[matched]:
            return False
        matched += 1
    return matched == len(scheme)


def _entity(entity: re.Match[bytes]) -> tuple[int, int]:
    """Return the character and its length; beyond Unicode the `&` stands for itself."""
    hexadecimal, decimal = entity.groups()
    digits, base = (hexadecimal, 16) if decimal is None else (decimal, 10)
    digits = digits.lstrip(b"0") or b"0"
    if len(digits) > 8 or (code := int(digits, base)) > _MAX_CODE:
        return 0x26, 1
    return code, len(entity[0])
