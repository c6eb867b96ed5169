"""What a document type declaration does: loads something, grows without measure, or only names texts (XML 1.0 4)."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_DECLARED = 256
"""Entities that are looked at; a document that declares more is not written by hand."""
MAX_EXPANDED = 1 << 18
"""Bytes that entities may add to a document in all."""
MAX_DEPTH = 16
_KNOWN = re.compile(
    rb"(?:https?://(?:www\.)?w3\.org/|https?://www\.apple\.com/dtds/|https?://java\.sun\.com/|https?://www\.oasis-open\.org/|about:legacy-compat)",
    re.IGNORECASE,
)
"""What parsers have in their catalogues, and what is not fetched."""
_LITERAL = rb"(?:\"([^\"]*)\"|'([^']*)')"
_DOCTYPE = re.compile(
    rb"<!doctype\s+[^\s>\[]+\s+(?:(system)|public)\b\s*" + _LITERAL + rb"?\s*" + _LITERAL + rb"?", re.I
)
_ENTITY = re.compile(rb"<!entity(?:\s+(%))?\s+([^\s\"'<>%&;]{1,200})\s+(?:(system|public)\b|" + _LITERAL + rb")", re.I)
_ACTING_DEFAULT = re.compile(
    rb"<!attlist\b[^>]{0,400}\s(?:on[a-z]{3,30}\s|(?:xlink:)?href\s[^>]{0,60}['\"]\s*(?:javascript|data):)",
    re.IGNORECASE,
)
"""Attributes that browsers give elements of a document although they are not written there (XML 1.0 3.3.2)."""
_TYPE = re.compile(rb"<!doctype\b", re.IGNORECASE)
_PREDEFINED = frozenset((b"amp", b"lt", b"gt", b"quot", b"apos"))
_DECLARES = re.compile(rb"<!entity\b", re.IGNORECASE)
_REFERENCE = re.compile(rb"&([^\s&;#<>\"']{1,200});")
_PARAMETER = re.compile(rb"%([^\s%;<>\"']{1,200});")
_SUBSET = re.compile(rb"<!doctype[^\[>]{0,400}\[", re.IGNORECASE)


class Declared(NamedTuple):
    """The entities of a document that stand for texts, and the facts about all of its declarations."""

    texts: dict[bytes, bytes]
    facts: frozenset[str]
    end: int
    """Where the last declaration ends."""


def declared(text: bytes) -> Declared:
    """Read the declarations of a document, or of a part of one."""
    facts: set[str] = set()
    for found in _DOCTYPE.finditer(text):
        literals = [literal for literal in found.groups()[1:] if literal is not None]
        address = literals[-1] if literals and (found[1] or len(literals) > 1) else b"" if not found[1] else b"?"
        if address and _KNOWN.match(address) is None:
            facts |= {"xml.doctype", "xml.external_entity"}
    if _ACTING_DEFAULT.search(text) is not None:
        facts.add("xml.doctype")
    found_type = _TYPE.search(text) is not None
    texts: dict[bytes, bytes] = {}
    parameters: set[bytes] = set()
    known = end = 0
    for number, found in enumerate(_ENTITY.finditer(text)):
        known, end = known + 1, found.end()
        percent, name, elsewhere, *literals = found.groups()
        value = next((literal for literal in literals if literal is not None), b"")
        if number >= MAX_DECLARED:
            facts.add("xml.entity_bomb")
            break
        if elsewhere or (percent and any(mark in value for mark in (b"<", b"%", b"&#"))):
            facts.add("xml.external_entity")
        elif percent:
            parameters.add(name)
        else:
            texts.setdefault(name, value)  # the first declaration counts (XML 1.0 4.2)
    if known < MAX_DECLARED and known != sum(1 for _ in _DECLARES.finditer(text)):
        facts.add("xml.entity")
    if texts:
        facts.add("xml.internal_entity")
    if any(name not in parameters for name in _PARAMETER.findall(_subset(text))):
        facts.add("xml.external_entity")
    if _grows(texts, text) or (not found_type and any(_multiplies(value) for value in texts.values())):
        facts.add("xml.entity_bomb")
    return Declared(texts, frozenset(facts), end)


def look(text: bytes) -> frozenset[str]:
    """Return the facts about the declarations in a text."""
    return declared(text).facts


def expanded(document: bytes) -> bytes:
    """Return a document behind its type, with what its entities stand for in their places; nothing if it has none."""
    texts, facts, end = declared(document)
    if not texts or "xml.entity_bomb" in facts:
        return b""
    content = document[document.find(b">", document.find(b"]", end)) + 1 :]
    for _ in range(MAX_DEPTH):
        further = _REFERENCE.sub(lambda found: texts.get(found[1], found[0]), content)
        if further == content:
            break
        content = further
    return content


def _subset(text: bytes) -> bytes:
    found = _SUBSET.search(text)
    if found is None:
        return b""
    end = text.find(b"]", found.end())
    return text[found.end() : end if end >= 0 else len(text)]


def _multiplies(value: bytes) -> bool:
    """Tell whether an entity stands for others: beside no document type, a line of a declaration that grows."""
    return sum(1 for name in _REFERENCE.findall(value) if name not in _PREDEFINED) > 1


def _grows(texts: dict[bytes, bytes], document: bytes) -> bool:
    """Whether entities stand for themselves, for entities of entities of entities, or for more than is sensible."""
    inner = {name: [other for other in _REFERENCE.findall(value) if other in texts] for name, value in texts.items()}
    many = {name for name, others in inner.items() if len(others) > 1}
    if any(len([other for other in inner[name] if other in many]) > 1 for name in many):
        return True
    sizes: dict[bytes, int] = {}

    def size(name: bytes, depth: int) -> int:
        if depth > MAX_DEPTH:
            return MAX_EXPANDED + 1
        if name not in sizes:
            sizes[name] = len(texts[name]) + sum(size(other, depth + 1) for other in inner[name])
        return sizes[name]

    asked = (name for name in _REFERENCE.findall(document) if name in texts)
    total = sum(size(name, 0) for name in asked)
    return total > MAX_EXPANDED or any(size(name, 0) > MAX_EXPANDED for name in texts)
