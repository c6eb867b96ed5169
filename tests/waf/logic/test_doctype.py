"""Document types are judged by what they do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.logic.body_values import body_values
from bascule.waf.logic.facts.doctype import MAX_DECLARED, expanded, look

ILLUSTRATOR = b"""<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
 <!ENTITY ns_svg "http://www.w3.org/2000/svg"> <!ENTITY ns_xlink "http://www.w3.org/1999/xlink"> ]>"""


@pytest.mark.parametrize(
    "text",
    [
        b"<!DOCTYPE html>",
        b'<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN">',
        b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">',
        b'<!DOCTYPE html SYSTEM "about:legacy-compat">',
        b'<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
        b"<!DOCTYPE note [<!ELEMENT note ANY><!ATTLIST note lang CDATA #IMPLIED><!NOTATION gif SYSTEM 'gif'>]>",
        b"<!DOCTYPE note [<!ENTITY % text '(#PCDATA)'><!ELEMENT note %text;>]>",
    ],
)
def test_what_only_describes_a_document_is_nothing(text: bytes) -> None:
    assert look(text) == set()


def test_an_entity_that_stands_for_a_text_is_told_and_decides_nothing() -> None:
    assert look(ILLUSTRATOR) == {"xml.internal_entity"}


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (b'<!DOCTYPE r SYSTEM "http://h.example/a.dtd"><r/>', "xml.doctype"),
        (b'<!DOCTYPE r PUBLIC "-//W3C//DTD XHTML 1.0//EN" "http://h.example/a.dtd">', "xml.doctype"),
        (b'<!DOCTYPE r PUBLIC "x" "https://www.w3.org.h.example/a.dtd">', "xml.doctype"),
        (b"<!doctype r [<!entity e system 'file:///etc/passwd'>]>", "xml.external_entity"),
        (b"<!ENTITY e PUBLIC 'x' 'http://h.example/'>", "xml.external_entity"),
        (b"<!DOCTYPE r [<!ENTITY % p SYSTEM 'http://h.example/'>%p;]>", "xml.external_entity"),
        (b"<!DOCTYPE r [%remote;]>", "xml.external_entity"),
        (b"<!DOCTYPE r [<!ENTITY % a '<!ENTITY &#37; b SYSTEM \"x\">'>%a;]>", "xml.external_entity"),
        (b"<!DOCTYPE r [<!ENTITY\x00e SYSTEM 'file:///etc/passwd'>]>", "xml.entity"),
        (b"<!DOCTYPE r [<!ENTITY a 'x'><!ENTITY b '&a;&a;'><!ENTITY c '&b;&b;'>]><r>&c;</r>", "xml.entity_bomb"),
        (b"<!DOCTYPE r [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><r>&a;</r>", "xml.entity_bomb"),
        (b"<!DOCTYPE r [<!ENTITY a '" + b"x" * 3000 + b"'>]><r>" + b"&a;" * 9000 + b"</r>", "xml.entity_bomb"),
        (b"".join(b"<!ENTITY e%d 'x'>" % n for n in range(MAX_DECLARED + 1)), "xml.entity_bomb"),
    ],
)
def test_what_loads_or_grows_is_told(text: bytes, fact: str) -> None:
    assert fact in look(text)


def test_texts_are_read_as_their_entities_make_them() -> None:
    document = b'<!DOCTYPE r [<!ENTITY u "\' union "><!ENTITY s "&u;select">]><r><id>1&s; 1,2</id></r>'
    texts = [value.data for value in body_values(b"application/xml", document) if value.place == "body"]
    assert b"1' union select 1,2" in texts
    assert expanded(b"<r>&amp;</r>") == b""


@given(
    st.lists(
        st.sampled_from(
            [
                b"<!ENTITY ",
                b"% ",
                b"a ",
                b"'&a;&b;'",
                b"b ",
                b'"x"',
                b">",
                b"<!DOCTYPE r ",
                b"[",
                b"]>",
                b"SYSTEM ",
                b"%a;",
                b"&b;",
            ]
        )
    )
)
def test_any_pieces_are_read_to_their_end(pieces: list[bytes]) -> None:
    text = b"".join(pieces)
    assert look(text) <= {"xml.doctype", "xml.entity", "xml.internal_entity", "xml.external_entity", "xml.entity_bomb"}
    assert len(expanded(text)) < 1 << 20
