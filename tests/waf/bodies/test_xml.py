"""XML bodies: XPath targets, entities, depth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.bodies import Limits, check_xpath, parse_xml

SOAP = (
    b'<?xml version="1.0"?><s:Envelope xmlns:s="urn:soap" id="7"><s:Body a="x&amp;y"><!-- no -->'
    b"<v>one</v><v>two<![CDATA[<3]]></v></s:Body></s:Envelope>"
)


def test_xpath_targets() -> None:
    body = parse_xml(SOAP)
    assert body.error == ""
    assert body.values("/*") == [b"onetwo<3"]
    assert body.values("//@*") == [b"7", b"x&y"]
    assert body.values("//v") == [b"one", b"two<3"]
    assert body.values("//v/text()") == [b"one", b"two<3"]
    assert body.values("/x:Envelope/x:Body/@a", {"x": "urn:soap"}) == [b"x&y"]
    assert body.values("//comment()") == [b" no "]
    assert body.values("count(//v)") == []
    assert body.values("/nothing") == []


@pytest.mark.parametrize("expression", ["/[", "//v[", "", "y:", "/y:a", "nofunction()"])
def test_wrong_expressions_are_named_at_load_and_yield_nothing(expression: str) -> None:
    with pytest.raises(ValueError, match="declare its prefixes with xmlns"):
        check_xpath(expression)
    assert parse_xml(SOAP).values(expression) == []


def test_right_expressions_pass_the_check() -> None:
    check_xpath("/*")
    check_xpath("/y:a/@b", {"y": "urn:y"})


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE r [<!ENTITY x "attack">]><r>&x;</r>',
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><r>&x;</r>',
        b'<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1/x"> %p;]><r/>',
        b'<!DOCTYPE r [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><r>&b;</r>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE r [<!ENTITY x "attack">]><r>&x;</r>'.encode("utf-16"),
    ],
)
def test_entities_are_refused(body: bytes) -> None:
    result = parse_xml(body)
    assert result.root is None
    assert result.error
    assert result.values("/*") == []


def test_depth_is_limited() -> None:
    def nested(levels: int) -> bytes:
        return b"<a>" * levels + b"</a>" * levels

    assert parse_xml(nested(64)).error == ""
    assert parse_xml(nested(65)).error == "XML: Elements nested deeper than 64."
    assert parse_xml(nested(3), Limits(depth=2)).error
    assert parse_xml(nested(100_000)).error
    assert parse_xml(b"<r>" + b"<a/>" * 5000 + b"</r>").error == ""


@pytest.mark.parametrize("body", [b"", b"x", b"<a>", b"<a></b>", b"<a b=c/>", b"\0", b"<a>\xff</a>"])
def test_malformed(body: bytes) -> None:
    assert parse_xml(body).error == "XML: Failed parsing document."


@given(st.binary(max_size=200) | st.text(alphabet="<>/ab=\"'!-[]?&;: ", max_size=80).map(str.encode))
def test_total(body: bytes) -> None:
    parse_xml(body).values("/*")
