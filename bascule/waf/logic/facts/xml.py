"""XML: entities, external documents, inclusion."""

from __future__ import annotations

from .fact import Fact

FACTS = (
    Fact(
        "xml.doctype",
        "declares a document type with a subset that acts, or an external one",
        (
            rb"<!doctype\s+[\w:%.-]{1,60}\s*\[[^\]]*(?:<!(?:entity|attlist|notation)\b|%)",
            rb"<!doctype\s+[\w:%.-]{1,60}\s+system\b",
            rb"<!doctype\s+(?:soap|replace|foo|xxe)",
            rb"<!doctype\s+(?:[a-gi-z][\w:%.-]{0,60}|h[\w:%.-]{0,2}|h[a-su-z][\w:%.-]{0,60})\s+public\b",
        ),
        True,
    ),
    Fact("xml.entity", "declares an entity", (rb"<!entity\b", rb"<!entity\s+%"), True),
    Fact(
        "xml.external_entity",
        "an entity or parameter entity that loads from elsewhere",
        (
            rb"<!entity\b[^<>]{0,100}\b(?:system|public)\b\s*(?:['\"]|&)",
            rb"<!doctype\b[^<>]{0,100}\bsystem\b\s*(?:['\"]|&)",
            rb"<!entity\s+%\s*\w+",
            rb"%\w{1,20};\s*\]",
            rb"<!notation\b|<!attlist\b",
        ),
        True,
    ),
    Fact("xml.entity_bomb", "entities made of entities", (rb"<!entity[^>]{0,60}['\"](?:&[\w.]+;\s*){2,}",), True),
    Fact(
        "xml.include",
        "XInclude or an XSLT that loads or runs",
        (
            rb"\bxi:include\b|http://www\.w3\.org/2001/xinclude|w3\.org/2003/xinclude",
            rb"<xsl:(?:value-of|include|import|template|stylesheet|variable|copy-of)\b",
            rb"<\?xml-stylesheet\b|<\?import\b[^>]{0,60}implementation|\bdocument\(\s*['\"](?:/|https?:|file:|ftp:)",
            rb"(?:php|java|msxsl|rt|ob):(?:function|script|exec|runtime)|xalan/java",
            rb"unparsed-text\(|system-property\(|xsi:schemalocation\s*=\s*[\"'][^\"']*file:",
        ),
        True,
    ),
    Fact("xml.declaration", "an XML document in a value", (rb"<\?xml\s", rb"<soap(?:env)?:|<methodcall>|<!\[cdata\[")),
)
