"""XML: entities, external documents, inclusion."""

from __future__ import annotations

from .fact import Fact

FACTS = (
    Fact("xml.doctype", "a document type that is described elsewhere, or gives elements attributes that act", (), True),
    Fact("xml.entity", "declares an entity in a way that only lenient parsers understand", (), True),
    Fact("xml.internal_entity", "declares an entity that stands for a text"),
    Fact("xml.external_entity", "an entity or parameter entity that loads from elsewhere, or makes others", (), True),
    Fact("xml.entity_bomb", "entities made of entities, or of themselves", (), True),
    Fact("_xml.look", "", (rb"<!(?:doctype|entity)\b",)),
    Fact(
        "xml.include",
        "XInclude or an XSLT that loads or runs",
        (
            rb"\bxi:include\b|http://www\.w3\.org/2001/xinclude|w3\.org/2003/xinclude",
            rb"<xsl:(?:value-of|include|import|template|stylesheet|variable|copy-of)\b",
            rb"<\?xml-stylesheet\b|<\?import\b[^>]{0,60}implementation|\bdocument\(\s*['\"](?:/|https?:|file:|ftp:)",
            rb"(?:php|java|msxsl|rt|ob):(?:function|script|exec|runtime)|xalan/java",
            rb"\bxlink:href\s*=\s*[\"'](?:expect|file|php|netdoc|gopher|jar|dict|phar):|=\s*[\"'](?:http://php\.net/xsl|http://xml\.apache\.org/xalan|urn:schemas-microsoft-com:xslt|http://saxon\.sf\.net)",
            rb"unparsed-text\(|system-property\(|xsi:schemalocation\s*=\s*[\"'][^\"']*file:",
        ),
        True,
    ),
    Fact("xml.declaration", "an XML document in a value", (rb"<\?xml\s", rb"<soap(?:env)?:|<methodcall>|<!\[cdata\[")),
)
