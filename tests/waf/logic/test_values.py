"""Values: every place of a request is inspected, in the form the application will see."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.logic.body_values import FILE_SLICE, body_lines, body_values, request_values
from bascule.waf.logic.charsets import in_utf8
from bascule.waf.logic.facts import facts_of
from bascule.waf.logic.values import Value, head_values

FORM = [(b"content-type", b"application/x-www-form-urlencoded")]


def found(target: bytes, headers: list[tuple[bytes, bytes]] | None = None, body: bytes = b"") -> set[tuple[str, bytes]]:
    return {(value.place, value.data) for value in request_values(target, headers or [], body)}


def test_the_target() -> None:
    assert found(b"/a%20b?x=1%27&y") == {
        ("path", b"/a b"),
        ("path", b"a b"),
        ("name", b"x"),
        ("query", b"1'"),
        ("query", b"y"),
    }


def test_where_a_parameter_leads_is_judged_with_its_name() -> None:
    target = b"/?next=%2F%2Fx.example&back=/a&src=//cdn.example/a.js"
    leads = [data for place, data in found(target) if "http.leads_elsewhere" in facts_of(data, place)]
    assert leads == [b"next=//x.example"]


def test_a_name_with_a_quote_is_judged_with_what_is_behind_the_equals_sign() -> None:
    assert ("query", b"7'or'a'='a") in found(b"/?7%27or'a%27='a")


def test_cookies_are_decoded_once() -> None:
    assert found(b"/", [(b"cookie", b"a=%27x; b=2")]) == {("cookie", b"'x"), ("cookie", b"2")}


def test_the_referer_is_read_like_a_target() -> None:
    values = found(b"/", [(b"referer", b"https://shop.example/p%27?q=%3Cx%3E")])
    assert values == {("header:referer", b"/p'"), ("name", b"q"), ("header:referer", b"<x>")}


def test_headers_of_a_fixed_grammar_count_only_when_unusual() -> None:
    usual = [(b"accept", b"text/html,*/*;q=0.8"), (b"sec-ch-ua", b'"Chrome";v="105", "Not)A;Brand";v="8"')]
    assert found(b"/", [*usual, (b"x-api", b"v")]) == {("header:x-api", b"v")}
    assert found(b"/", [(b"accept", b"${jndi:x}")]) == {("header:accept", b"${jndi:x}")}


@pytest.mark.parametrize(
    "name", [b"accept", b"range", b"origin", b"x-requested-with", b"sec-fetch-site", b"dnt", b"date"]
)
def test_what_the_grammar_of_a_header_has_no_place_for_is_unusual(name: bytes) -> None:
    usual = {
        b"range": b"bytes=0-9, 20-",
        b"origin": b"https://a.example:8443",
        b"date": b"Fri, 28 Nov 2025 15:00:00 GMT",
    }
    assert not found(b"/", [(name, usual.get(name, b"cors"))])
    assert found(b"/", [(name, b'" onfocus=alert(1) x="')])


@pytest.mark.parametrize("origin", [b"null", b"http://localhost:3000", b"file://", b"file:///", b"app://obsidian.md"])
def test_an_origin_is_looked_at_where_it_has_a_path(origin: bytes) -> None:
    assert not found(b"/", [(b"origin", origin)])
    assert found(b"/", [(b"origin", b"http://a.example/etc/passwd")])


def test_header_fields_of_a_part_are_judged_where_they_are_unusual() -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: %s\r\n\r\n1\r\n--b--\r\n'
    kind = [(b"content-type", b"multipart/form-data; boundary=b")]
    assert ("header:content-type", b"${jndi:x}") in found(b"/", kind, part % b"${jndi:x}")
    assert ("header:content-type", b"text/plain") not in found(b"/", kind, part % b"text/plain")


def test_a_path_where_a_language_belongs_is_unusual() -> None:
    assert found(b"/", [(b"accept-language", b"../../etc/passwd")]) == {("header:accept-language", b"../../etc/passwd")}
    assert not found(b"/", [(b"accept-language", b"de,en;q=0.5")])


def test_forms_and_json_inside_them() -> None:
    values = found(b"/", FORM, b"a=%7B%22k%22%3A%22v%27%22%7D&b=c")
    assert {("body", b"v'"), ("name", b"k"), ("body", b"c")} <= values


def test_no_field_is_one_too_many() -> None:
    many = b"a&" * 3000
    assert ("query", b"' or 1=1") in found(b"/?" + many + b"x=%27+or+1=1")
    assert ("body", b"' or 1=1") in found(b"/", FORM, many + b"x=%27+or+1=1")
    assert ("cookie", b"'x") in found(b"/", [(b"cookie", b"a;" * 3000 + b"x=%27x")])
    document = json.dumps([*range(3000), "' or 1=1"]).encode()
    assert ("body", b"' or 1=1") in found(b"/", [(b"content-type", b"application/json")], document)


def test_json_leaves_and_names() -> None:
    values = found(b"/", [(b"content-type", b"application/json")], b'{"a":{"$ne":"x"},"b":["y"]}')
    assert {("name", b"$ne"), ("body", b"x"), ("body", b"y")} <= values
    assert ("name", b"__proto__") in found(b"/", body=b'{"__proto__":{"a":1}}')
    assert ("name", b"$nin") in found(b"/", body=b'{"a":{"$nin":["x"]}}')
    assert ("name", b"$nin") in found(b"/", body=b'{"a":{"$nin" : []}}')
    assert ("name", b"$nin") in found(b"/?q=%7B%22a%22:%7B%22$nin%22:[1]%7D%7D")


def test_a_body_that_looks_like_json_is_read_as_json() -> None:
    assert ("body", b"x") in found(b"/", FORM, b'{"a":"x"}')


@pytest.mark.parametrize("kind", [b"application/json", b"application/x-ndjson", b"text/plain"])
@pytest.mark.parametrize("body", [b'{"a": 1}\n{"b": "<\\u0073vg>"}\n', b'{"a": 1}{"b": "<svg>"}', b'[1]\r\n["<svg>"]'])
def test_what_follows_a_document_is_read_too(kind: bytes, body: bytes) -> None:
    assert any(b"<svg>" in data for _, data in found(b"/", [(b"content-type", kind)], body))


def test_a_broken_body_is_a_value_as_it_stands() -> None:
    body = b'{"a":"x"]'
    assert ("body", body) in found(b"/", [(b"content-type", b"application/json")], body)


def test_xml_as_it_stands_and_its_texts() -> None:
    body = b"<a b='c'>d</a>"
    values = found(b"/", [(b"content-type", b"text/xml")], body)
    assert {("document", body), ("body", b"c"), ("body", b"d")} <= values


def test_multipart_files() -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.php"\r\nContent-Type: image/png\r\n\r\n'
        + b"G" * (FILE_SLICE - 9)
        + b"<?php system('id');"
        + b"\r\n--b--\r\n"
    )
    values = found(b"/", [(b"content-type", b"multipart/form-data; boundary=b")], body)
    assert {("name", b"f"), ("file", b"x.php")} <= values
    assert any(place == "upload" and b"<?php system('id');" in data for place, data in values), "a slice has it whole"


@pytest.mark.parametrize(
    ("kind", "content", "place"),
    [
        (b"text/plain", b"' or 1=1--", "body"),
        (b"text/plain", b"' or 1=1--\n" * 60, "upload"),
        (b"application/octet-stream", b"\0" + b"' or 1=1--", "upload"),
        (b"image/svg+xml", b"<svg onload=alert(1)>" + b" " * 600, "document"),
    ],
)
def test_a_file_is_read_as_what_it_may_be(kind: bytes, content: bytes, place: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: ' + kind
    body = head + b"\r\n\r\n" + content + b"\r\n--b--\r\n"
    assert (place, content) in found(b"/", [(b"content-type", b"multipart/form-data; boundary=b")], body)


def test_a_field_is_read_to_its_end() -> None:
    text = b"word " * (FILE_SLICE // 4) + b"' or 1=1--"
    body = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + text + b"\r\n--b--\r\n"
    assert ("body", text) in found(b"/", [(b"content-type", b"multipart/form-data; boundary=b")], body)


@pytest.mark.parametrize(
    ("kind", "body", "place"),
    [
        (b"image/png", b"' or 1=1--", "body"),
        (b"image/png", b"\x89PNG\r\n\x1a\n\0\0" + b"' or 1=1--", "upload"),
        (b"application/zip", b"PK\3\4" + b"x" * 900, "upload"),
        (b"text/csv", b"a,b\n" * 200, "upload"),
        (b"text/plain", b"a note " * 200, "body"),
        (b"text/plain", b"\0\1" * 400, "upload"),
        (b"", b"\0\1" * 400, "upload"),
        (b"application/grpc+proto", b"\0\1\x0a" + b"' or 1=1--" * 99, "body"),
        (b"text/x-gwt-rpc", b"7|0|5|" + b"' or 1=1--" * 99, "body"),
        (b"application/x-yaml", b"a: !!python/name:os.system\n" + b"b: c\n" * 200, "body"),
        (b"application/octet-stream", b"\xac\xed\0\5sr\0" + b"x" * 600, "body"),
    ],
)
def test_a_body_that_is_a_file(kind: bytes, body: bytes, place: str) -> None:
    assert (place, body) in found(b"/", [(b"content-type", kind)] if kind else [], body)


def test_json_in_a_blob_is_read_as_json() -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="blob"\r\nContent-Type: application/json'
    body = head + b'\r\n\r\n{"a": "\\u0027 or 1=1--"}\r\n--b--\r\n'
    assert ("body", b"' or 1=1--") in found(b"/", [(b"content-type", b"multipart/form-data; boundary=b")], body)


def test_json_that_a_script_sends_as_a_blob_is_read_in_any_length() -> None:
    document = b'{"pad": "%b", "note": "<script>"}' % (b"x" * FILE_SLICE)
    for name, found in ((b"blob", True), (b"export.json", False)):
        head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="%b"\r\nContent-Type: application/json'
        body = head % name + b"\r\n\r\n" + document + b"\r\n--b--\r\n"
        values = body_values(b"multipart/form-data; boundary=b", body)
        assert any(value.data == b"<script>" for value in values) == found


def test_segments_of_a_path_and_ways_back_to_own_machines() -> None:
    assert Value("path", b"", b"1 or 2=2") in head_values(b"/users/1%20or%202=2/orders", [])
    back = b"redirect_uri=http%3A%2F%2Flocalhost%3A3000%2Fcallback"
    assert Value("query", b"redirect_uri", b"/callback") in head_values(b"/authorize?" + back, [])
    elsewhere = b"http://localhost.h.example/x"
    assert Value("query", b"redirect_uri", elsewhere) in head_values(b"/a?redirect_uri=" + elsewhere, [])


def test_what_a_kept_file_is_about_is_no_attack() -> None:
    text = b"SELECT * FROM users WHERE name='' or 1=1--\n<script>alert(1)</script>\n;cat /etc/passwd\n../../x\n" * 9
    assert facts_of(text, "upload") == frozenset()
    assert "code.php_tag" in facts_of(text + b"<?php system($_GET['c']); ?>", "upload")
    bomb = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    assert "xml.external_entity" in facts_of(bomb, "upload")


@pytest.mark.parametrize(
    ("content_type", "codec"),
    [
        (b"application/json", "utf-16"),
        (b"application/json", "utf-16-le"),
        (b"application/json", "utf-16-be"),
        (b"application/json", "utf-32"),
        (b"application/json; charset=utf-16le", "utf-16-le"),
        (b'application/json; charset="IBM037"', "ibm037"),
        (b"application/json;charset=utf-7", "utf-7"),
    ],
)
def test_a_body_is_read_in_the_charset_it_declares_or_shows(content_type: bytes, codec: str) -> None:
    body = '{"q": "<script>"}'.encode(codec)
    assert ("body", b"<script>") in {(value.place, value.data) for value in body_values(content_type, body)}
    assert body_lines(content_type, body) is None


def test_an_ordinary_charset_changes_nothing() -> None:
    assert in_utf8(b"text/plain; charset=utf-8", b"a=\xc3\xa4") == b""
    assert in_utf8(b"text/plain; charset=nonsense", b"a=1") == b""


@pytest.mark.parametrize(("encoding", "content"), [("base64", "PHNjcmlwdD4="), ("quoted-printable", "=3Cscript=3E")])
def test_a_part_is_read_without_its_transfer_encoding(encoding: str, content: str) -> None:
    body = f'--b\r\nContent-Disposition: form-data; name="q"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{content}\r\n--b--'
    values = body_values(b"multipart/form-data; boundary=b", body.encode())
    assert b"<script>" in {value.data for value in values}


def test_a_prototype_is_named_with_what_it_belongs_to() -> None:
    values = body_values(b"application/json", b'{"constructor":{"prototype":{"x":1}}}')
    assert b"json.constructor.prototype.x" in {value.data for value in values}


@given(
    st.binary(max_size=200),
    st.binary(max_size=200),
    st.sampled_from([b"", b"application/json", b"text/xml", b"multipart/form-data; boundary=b"]),
)
def test_never_raises(target: bytes, body: bytes, kind: bytes) -> None:
    list(request_values(target, [(b"content-type", kind), (b"cookie", body), (b"referer", target)], body))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (b"application/json", b'{"a":1}{"q":"1\' or 1=1"}'),
        (b"application/x-ndjson", b'{"a":1}\n{"q":"1\\u0027 or 1=1"}\n'),
        (b"application/json", b'{"a":"x","q":"1\' or 1=1",}'),
        (b"text/xml", b"<a><q>1' or 1=1</q></b>"),
        (b"text/xml", b"<a><q>1' o<!-- -->r <?x?>1=1</q>x</a>"),
        (b"application/x-www-form-urlencoded; charset=ibm037", b"%98=%F1%7D%40%96%99%40%F1%7E%F1"),
        (b"application/x-www-form-urlencoded; charset=utf-16be", b"%00q=%001%00%27+%00o%00r%00+%001%00%3D%001"),
        (
            b"multipart/form-data; boundary=b",
            b"1' or 1=1\r\n--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--",
        ),
    ],
)
def test_what_only_lenient_parsers_read_is_a_value_of_its_own(kind: bytes, body: bytes) -> None:
    texts = {data.replace(b" ", b"").strip() for _, data in found(b"/", [(b"content-type", kind)], body)}
    assert b"1'or1=1" in {text.replace(b"\0", b"") for text in texts}


def test_odd_names_of_cookies_are_values() -> None:
    values = found(b"/", [(b"cookie", b"_ga=1; <script>alert(1)</script>=1")])
    assert ("name", b"<script>alert(1)</script>") in values
    assert ("name", b"_ga") not in values


def test_a_usual_field_that_climbs_is_unusual() -> None:
    values = found(b"/", [(b"accept-language", b"../../etc/passwd"), (b"accept-encoding", b"gzip, br")])
    assert values == {("header:accept-language", b"../../etc/passwd")}


def test_a_text_with_a_control_character_is_a_text() -> None:
    assert ("body", b"\x0b1' union select 1") in found(
        b"/", [(b"content-type", b"text/plain")], b"\x0b1' union select 1"
    )


RANDOM = 1 << 18
"""Bytes of noise: at the lengths of photographs short patterns come up by chance."""
_PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
UPLOADS = {
    "octets": (b"application/octet-stream", b"", b""),
    "octets like JSON": (b"application/octet-stream", b"{", b""),
    "octets like XML": (b"application/octet-stream", b"<", b""),
    "picture": (b"image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xdb\0\x43\0", b"\xff\xd9"),
    "part": (b"multipart/form-data; boundary=b", _PART + b"\xff\xd8\xff\xe0\0\x10JFIF\0", b"\xff\xd9\r\n--b--\r\n"),
}


@pytest.mark.parametrize("upload", UPLOADS)
def test_noise_in_files_is_no_attack(upload: str) -> None:
    kind, head, tail = UPLOADS[upload]
    for seed in range(8):
        noise = random.Random(seed).randbytes(RANDOM)
        for stuffed in (noise, noise.replace(b"\xff", b"\xff\0")):  # as JPEG writes its scans (ITU-T T.81 B.1.1.5)
            values = list(body_values(kind, head + stuffed + tail))
            assert sum(len(value.data) for value in values) >= RANDOM
            assert {fact for value in values for fact in facts_of(value.data, value.place)} == set(), seed


@pytest.mark.parametrize("content_type", [b"", b"text/plain", b"application/x-www-form-urlencoded"])
def test_no_document_hides_behind_blanks(content_type: bytes) -> None:
    for document in (b"<a>&#60;script></a>", b'{"a":"\\u003cscript>"}'):
        values = body_values(content_type, b" " * 80 + document)
        assert b"<script>" in {value.data for value in values}


def test_noise_in_a_field_is_no_attack_and_hides_none() -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n'
    for seed, statement, facts in ((0, b"", set()), (1, b"' union select password from users--", {"sql.union_select"})):
        noise = random.Random(seed).randbytes(RANDOM)
        values = body_values(b"multipart/form-data; boundary=b", head + noise + statement + b"\r\n--b--\r\n")
        assert {fact for value in values for fact in facts_of(value.data, value.place)} == facts, seed


def test_what_is_like_json_is_read_as_json_whatever_its_type_unless_it_is_noise() -> None:
    for mark in (b"", b"\0", b"\x01", b"\xff", b"\x7f\xff"):
        values = body_values(b"application/octet-stream", b'{"a":"%b","q":"1\' or 1=1"}' % mark)
        assert any(value.place == "body" and b"1' or 1=1" in value.data for value in values), mark


def test_a_script_in_noise_is_found() -> None:
    noise = random.Random(1).randbytes(RANDOM)
    values = body_values(b"image/jpeg", b"\xff\xd8\xff" + noise + b"<?php system($_GET['c']); ?>" + noise)
    assert "code.php_runs" in {fact for value in values for fact in facts_of(value.data, value.place)}


def test_documents_on_lines_of_their_own_have_names() -> None:
    body = b'{"event_id":"1"}\n{"type":"event"}\n{"frames":[{"context_line":"os.system(1)"}]}\n'
    values = list(body_values(b"application/x-sentry-envelope", body))
    assert Value("body", b"json.frames.array_0.context_line", b"os.system(1)") in values
    assert body not in [value.data for value in values]
    broken = body + b"<script>"
    assert b"os.system(1)" in [value.data for value in body_values(b"application/json", broken)]
    assert any(b"<script>" in value.data for value in body_values(b"application/json", broken))


def test_of_a_document_that_is_cut_off_all_texts_are_values() -> None:
    body = b'{"a":"<b>","c":[1,{"d":"\' or 1=1 -- '
    data = [value.data for value in body_values(b"text/plain", body)]
    assert {b"<b>", b"' or 1=1 -- "} <= set(data)
    assert body not in data
    assert body + b'"}x' in [value.data for value in body_values(b"text/plain", body + b'"}x')]
