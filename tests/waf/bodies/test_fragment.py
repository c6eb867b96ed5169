"""Pieces of bodies: wherever a body is cut, the texts in it stand as values of their own."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.bodies import MultipartParser, fragment_pairs, message_pairs

ATTACK = b"1' OR 1=1--"
BOUNDARY = b"multipart/form-data; boundary=xyz"


def values(kind: str, piece: bytes) -> list[bytes]:
    return [value for _, value in fragment_pairs(kind, piece)]


def part(name: bytes, content: bytes, filename: bytes = b"") -> bytes:
    file = b'; filename="%b"' % filename if filename else b""
    return b'--xyz\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (name, file, content)


@given(st.integers(0, 40), st.integers(0, 40))
def test_json_string_is_a_value_wherever_the_piece_begins_and_ends(before: int, after: int) -> None:
    document = json.dumps({"first": "x" * 30, "q": ATTACK.decode(), "last": "y" * 30}).encode()
    start = document.find(ATTACK)
    piece = document[max(0, start - before) : start + len(ATTACK) + after]
    assert ATTACK in values("JSON", piece)


def test_json_escapes_are_undone() -> None:
    assert values("JSON", rb'abc","q":"\u0027\/\n\u00e4\ud800"') == [b"abc", b"q", b"'/\n\xc3\xa4\xed\xa0\x80"]


def test_json_texts_beyond_the_bound_stand_together() -> None:
    found = values("JSON", b",".join(b'"v%d"' % n for n in range(2000)))
    assert len(found) == 1000
    assert b"v1999" in found[-1]


def test_form_cut_in_a_value() -> None:
    assert fragment_pairs("URLENCODED", b"est%3d1&q=1%27+OR+1%3D1--&last=ab") == [
        (b"est=1", b""), (b"q", ATTACK), (b"last", b"ab"),
    ]  # fmt: skip


def test_form_of_more_fields_than_a_body_may_have() -> None:
    assert (b"z", b"1") in fragment_pairs("URLENCODED", b"a&" * 5000 + b"z=1")


def test_xml_texts_and_attributes() -> None:
    assert values("XML", b"est</a><b c='1'>" + ATTACK + b"</b><d") == [b"est", b"/a", b"b c='1'", ATTACK, b"/b", b"d"]


def test_other_text_is_one_value_and_binary_none() -> None:
    assert fragment_pairs("", ATTACK) == [(b"body", ATTACK)]
    assert fragment_pairs("", b"\0" + ATTACK) == []


@given(st.binary(max_size=300), st.sampled_from(["URLENCODED", "JSON", "XML", ""]))
def test_no_piece_breaks(piece: bytes, kind: str) -> None:
    for name, value in fragment_pairs(kind, piece):
        assert isinstance(name, bytes)
        assert isinstance(value, bytes)


@given(st.integers(0, 200))
def test_multipart_start_blames_nobody_for_its_end(end: int) -> None:
    body = part(b"one", b"1") + part(b"file", b"abc", b"a.bin") + b"--xyz--\r\n"
    parser = MultipartParser(BOUNDARY)
    parser.feed(body[:end])
    found = parser.cut()
    assert not found.error
    assert not found.flags.strict_error


def test_multipart_start_keeps_what_is_wrong_with_it() -> None:
    parser = MultipartParser(BOUNDARY)
    parser.feed(b"--xyz\r\n\x0eContent-Disposition: form-data; name=a\r\n\r\nx")
    assert "Invalid part header" in parser.cut().error


def test_message() -> None:
    assert message_pairs(b"websocket", b' {"a": ["x", {"b": 1}]}') == [
        (b"websocket.a.array_0", b"x"), (b"websocket.a.array_1.b", b"1"),
    ]  # fmt: skip
    assert message_pairs(b"websocket", b'{"a": ') == [(b"websocket", b'{"a": ')]
    assert message_pairs(b"websocket", b"hello") == [(b"websocket", b"hello")]
    assert message_pairs(b"websocket", b'"x"') == [(b"websocket", b'"x"')]
