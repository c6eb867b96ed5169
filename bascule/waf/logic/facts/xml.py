"""XML: entities, external documents, inclusion."""

from __future__ import annotations

from .fact import Fact

FACTS = (
    Fact(
        "xml.doctype",
        "declares a document type with a subset or an external one",
        (
            rb"<!doctype\s+[\w:%.-]{1,60}\s*\[",
            rb"<!doctype\s+[\w:%.-]{1,60}\s+(?:system|public)\b",
            rb"<!doctype\s+(?:soap|replace|foo|root|test|data|xxe)",
        ),
    ),
    Fact("xml.entity", "declares an entity", (rb"<!entity\b", rb"<!entity\s+%")),
    Fact(
        "xml.external_entity",
        "an entity or parameter entity that loads from elsewhere",
        (
            rb"<!(?:entity|doctype)\b[^<>]{0,100}\b(?:system|public)\b\s*(?:['\"]|&)",
            rb"<!entity\s+%\s*\w+",
            rb"%\w{1,20};\s*\]",
            rb"<!notation\b|<!attlist\b[^>]{0,60}entity",
        ),
    ),
    Fact("xml.entity_bomb", "entities made of entities", (rb"<!entity[^>]{0,60}['\"](?:&[\w.]+;\s*){2,}",)),
    Fact(
        "xml.include",
        "XInclude or an XSLT that loads or runs",
        (
            rb"\bxi:include\b|http://www\.w3\.org/2001/xinclude|w3\.org/2003/xinclude",
            rb"<xsl:(?:value-of|include|import|template|stylesheet|variable|copy-of)\b",
            rb"\bdocument\(\s*['\"]",
            rb"(?:php|java|msxsl|user|rt|ob):(?:function|script|exec|runtime)|xalan/java",
            rb"unparsed-text\(|system-property\(|xsi:schemalocation\s*=\s*[\"'][^\"']*(?:http|file)",
        ),
    ),
    Fact("xml.declaration", "an XML document in a value", (rb"<\?xml\s", rb"<soap(?:env)?:|<methodcall>|<!\[cdata\[")),
)
