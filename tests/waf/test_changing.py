"""Values changed where they stand in a body, in the form in which they were sent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.bodies import parse_multipart
from bascule.waf.changing import Changes, in_body, in_json, in_pairs, in_xml
from bascule.waf.response.identifiers import Finder
from bascule.waf.rewriting import neutral

CARD = "4111111111111111"
STARRED = "************1111"
mask = Finder(["card"]).mask


def changes(*values: str | bytes, by: Callable[[bytes], bytes] = mask) -> Changes:
    found = Changes()
    for value in values:
        found.add(value if isinstance(value, bytes) else value.encode(), by)
    return found


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ('{"a": "4111111111111111"}', CARD, '{"a": "************1111"}'),
        (r'{"a": "\u0034111111111111111"}', CARD, r'{"a": "\u002a***********1111"}'),
        (r'{"a": "\"ü\ud83e\udd8a\n4111111111111111\/"}', f'"ü🦊\n{CARD}/', r'{"a": "\"ü\ud83e\udd8a\n************1111\/"}'),
        ('{"a": 4111111111111111, "b": [-4.5e3, 41111111111111110]}', CARD,
         '{"a": 1111111111111111, "b": [-4.5e3, 41111111111111110]}'),
        ("[4111111111111111]\n[4111111111111111]\n", CARD, "[1111111111111111]\n[1111111111111111]\n"),
        (r'{"a": "{\"card\": 4111111111111111, \"b\": \"4111111111111111\"}"}', CARD,
         r'{"a": "{\"card\": 1111111111111111, \"b\": \"************1111\"}"}'),
    ],
)  # fmt: skip
def test_json_stays_json(text: str, value: str, result: str) -> None:
    found = changes(value)
    assert in_json(text.encode(), found).decode() == result
    assert not found.left
    for line in result.splitlines():
        json.loads(line)


@pytest.mark.parametrize(
    ("text", "value", "result"),
    [
        ("<a>4111111111111111</a>", CARD, "<a>************1111</a>"),
        ("<a>&#52;1&#x31;1111111111111</a>", CARD, "<a>&#42;*&#042;*********1111</a>"),
        ("<a>&#0052;11111<!-- 1 --><![CDATA[1111]]><?x y?>111111</a>", CARD,
         "<a>&#0042;*****<!-- 1 --><![CDATA[****]]><?x y?>**1111</a>"),
        ("<a b='4111111111111111' c=\"x\"/>", CARD, "<a b='************1111' c=\"x\"/>"),
        ("<a b='x&#10;y\n4111111111111111'/>", f"x\ny {CARD}", "<a b='x&#10;y\n************1111'/>"),
        ("<?xml version='1.0'?><!DOCTYPE a><a>&lt;b> 4111111111111111</a>", f"<b> {CARD}",
         "<?xml version='1.0'?><!DOCTYPE a><a>&lt;b> ************1111</a>"),
    ],
)  # fmt: skip
def test_xml_stays_xml(text: str, value: str, result: str) -> None:
    found = changes(value)
    assert in_xml(text.encode(), found).decode() == result
    assert not found.left
    ElementTree.fromstring(result)


def test_signs_of_xml_are_neutralised_as_escapes() -> None:
    found = changes("<b>&", by=neutral)
    assert in_xml(b"<a>&lt;b&#62;&amp;</a>", found) == b"<a>    b&#32;&#32;</a>"


def test_json_in_a_field_of_a_form() -> None:
    found = changes(CARD)
    text = b"a=1&b=%7B%22c%22%3A+4111111111111111%2C+%22d%22%3A%224111111111111111%22%7D&e=" + CARD.encode()
    assert in_pairs(text, found) == (
        b"a=1&b=%7B%22c%22%3A+1111111111111111%2C+%22d%22%3A%22************1111%22%7D&e=" + STARRED.encode()
    )


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", "pay with 4111111111111111 please"),
        ("text/csv", "name,card\r\nA,4111111111111111\r\n"),
        ("application/yaml", "card: 4111111111111111\n"),
    ],
)
def test_texts(kind: str, body: str) -> None:
    found = changes(body)
    assert in_body(kind.encode(), body.encode(), found, None).decode() == body.replace(CARD, STARRED)
    assert not found.left


def test_slices_of_a_large_file_that_have_a_number_in_common() -> None:
    body = b"a,b\r\n" * 12_800 + CARD.encode() + b"\r\n" + b"a,b\r\n" * 30_000 + CARD.encode()
    slices = [body[at : at + (1 << 16)] for at in range(0, len(body) - 2048, (1 << 16) - 2048)]
    assert CARD.encode() in slices[0]
    assert CARD.encode() in slices[1]
    found = changes(*slices)
    assert in_body(b"text/csv", body, found, None) == body.replace(CARD.encode(), STARRED.encode())


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "cp037"])
def test_other_charsets(codec: str) -> None:
    kind = f"application/json; charset={'ibm037' if codec == 'cp037' else codec}".encode()
    body = '{"ä": "4111111111111111", "b": 4111111111111111}'
    found = changes(CARD)
    changed = in_body(kind, body.encode(codec), found, None)
    assert changed.decode(codec) == '{"ä": "************1111", "b": 1111111111111111}'


def test_parts_of_a_form() -> None:
    wide = "\N{ZERO WIDTH NO-BREAK SPACE}Karte\t4111111111111111\r\n".encode("utf-16-le")
    parts = [
        (b'name="a"', CARD.encode()),
        (b'name="empty"', b""),
        (b'name="b"', b'{"card": 4111111111111111}'),
        (b'name="f"; filename="a.csv"', b"x,4111111111111111\n"),
        (b'name="w"; filename="b.txt"', wide),
        (b'name="i"; filename="c.png"', b"\x89PNG\r\n\x1a\n\0\0" + CARD.encode()),
    ]
    body = b"".join(b"--x\r\ncontent-disposition: form-data; %b\r\n\r\n%b\r\n" % part for part in parts) + b"--x--\r\n"
    kind = b"multipart/form-data; boundary=x"
    found = changes(CARD, b"x,4111111111111111\n", wide.decode("utf-16").encode())
    changed = in_body(kind, body, found, parse_multipart(body, kind))
    assert not found.left
    told = [part.content for part in parse_multipart(changed, kind).parts]
    assert told[:4] == [STARRED.encode(), b"", b'{"card": 1111111111111111}', b"x,************1111\n"]
    assert told[4] == wide.decode("utf-16-le").replace(CARD, STARRED).encode("utf-16-le")
    assert told[5] == parts[5][1]


@given(st.recursive(st.text(max_size=8) | st.integers() | st.just(CARD), lambda inner: st.lists(inner, max_size=4)))
def test_whatever_else_the_json_says_stays(document: object) -> None:
    for ascii_only in (True, False):
        text = json.dumps(document, ensure_ascii=ascii_only)
        try:
            changed = in_json(text.encode(), changes(CARD))
        except UnicodeEncodeError:
            return
        assert json.loads(changed) == json.loads(text.replace(f'"{CARD}"', f'"{STARRED}"'))


@pytest.mark.parametrize(
    "unit", ['"', '"\\', "\\\"", "<", "<!--", "<![CDATA[", "<?", "<a b='", "&#", "&#x", "\\u", "[{", "{\"a\":", "1", "-", "%"]
)  # fmt: skip
def test_time_is_linear_in_the_length(unit: str) -> None:
    """64 KiB of what a value begins with take well below a second; what is quadratic takes tens of seconds."""
    text = (unit * 65_536)[:65_536].encode()
    for read in (in_json, in_xml, in_pairs):
        started = time.process_time()
        read(text, changes(CARD))
        assert time.process_time() - started < 1.0, read
