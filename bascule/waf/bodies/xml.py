"""XML bodies: parsed without entities, network or files; read by XPath."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from lxml import etree

from .limits import DEFAULT_LIMITS, Limits

MAX_NODES = 10_000
"""Values that one XPath target may yield; attributes and texts beyond stand together in the last one."""


@dataclass(slots=True)
class XmlBody:
    """A parsed document; `root` is None where it is not well-formed."""

    root: etree._Element | None = None
    error: str = ""

    def values(self, expression: str, namespaces: Mapping[str, str] | None = None) -> list[bytes]:
        """Return the text of each node that an XPath 1.0 target selects (`/*`, `//@*`, `/x:a/text()`).

        An expression that yields no nodes, as count() does, has no values; ModSecurity agrees.
        One that is wrong (see `check_xpath`) has none either.
        """
        if self.root is None:
            return []
        try:
            found = _compile(expression, tuple(sorted((namespaces or {}).items())))(self.root.getroottree())
        except etree.XPathError:
            return []
        if not isinstance(found, list):
            return []
        values = [_content(node) for node in found[:MAX_NODES]]
        if rest := [node for node in found[MAX_NODES:] if isinstance(node, str)]:
            values[-1] += " ".join(["", *rest]).encode()
        return values

    def leaves(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield each element without children, by the names of those it is in, and its text: `xml.a.b`."""
        if self.root is not None:
            yield from _leaves(self.root)

    def texts(self, most: int) -> Iterator[bytes]:
        """Yield the first texts and attributes of the document that are not blank, in their order."""
        if self.root is not None:
            yield from islice(filter(bytes.strip, map(str.encode, _texts(self.root))), most)


def _leaves(root: etree._Element) -> Iterator[tuple[bytes, bytes]]:
    names = ["xml"]
    for event, node in etree.iterwalk(root, events=("start", "end")):
        if event == "end":
            names.pop()
            continue
        names.append(etree.QName(node).localname)
        if next(node.iterchildren(etree.Element), None) is None:
            yield ".".join(names).encode(), "".join(map(str, node.xpath("text()"))).encode()


def _texts(root: etree._Element) -> Iterator[str]:
    for node in root.iter(etree.Element):
        yield from map(str, node.attrib.values())
        text = str(node.text or "")
        for child in node:
            if isinstance(child.tag, str):
                yield text
                text = ""
            text += str(child.tail or "")  # a comment within a text is no part of it, and no end of it either
        yield text


@lru_cache(maxsize=256)
def _compile(expression: str, namespaces: tuple[tuple[str, str], ...]) -> etree.XPath:
    return etree.XPath(expression, namespaces=dict(namespaces) or None, smart_strings=False)


def check_xpath(expression: str, namespaces: Mapping[str, str] | None = None) -> None:
    """Raise ValueError for a target that is no XPath 1.0 or uses a prefix that no action `xmlns` declares."""
    try:
        _compile(expression, tuple(sorted((namespaces or {}).items())))(etree.Element("x").getroottree())
    except etree.XPathError as error:
        raise ValueError(
            f"XML:{expression}: {error}; write an XPath 1.0 expression and declare its prefixes with xmlns"
        ) from error


def _content(node: object) -> bytes:
    """Return xmlNodeGetContent(): an element's text with that of all below it, or an attribute's value."""
    if isinstance(node, etree._Comment | etree._ProcessingInstruction):
        return (node.text or "").encode()
    if isinstance(node, etree._Element):
        text: bytes = etree.tostring(node, method="text", encoding="utf-8", with_tail=False)
        return text
    return str(node).encode()


def parse_document(body: bytes) -> etree._Element | None:
    """Return the root element, or None for what is not well-formed. Nothing is fetched or expanded."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def parse_xml(body: bytes, limits: Limits = DEFAULT_LIMITS) -> XmlBody:
    """Parse a whole document.

    Declared entities are refused (XXE; billion laughs; and they would hide text from the rules), and so are
    elements nested beyond the limit.
    """
    root = parse_document(body)
    if root is None:
        return XmlBody(error="XML: Failed parsing document.")
    dtd = root.getroottree().docinfo.internalDTD
    entities = dtd is not None and dtd.entities()  # type: ignore[attr-defined]  # the stubs lack it
    if b"<!ENTITY" in body or entities:
        return XmlBody(error="XML: Entity declarations are refused.")
    if root.xpath("boolean(" + "/*" * (limits.depth + 1) + ")"):
        return XmlBody(error=f"XML: Elements nested deeper than {limits.depth}.")
    return XmlBody(root)
