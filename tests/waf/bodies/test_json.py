"""JSON bodies: names, order, errors, limits."""

from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.bodies import Limits, json_leaves, json_lines, parse_json


@pytest.mark.parametrize(
    ("body", "pairs"),
    [
        (b'{"foo":"bar","mod":"sec"}', [(b"json.foo", b"bar"), (b"json.mod", b"sec")]),
        (b'{"a":[{"b":1},[2],{}]}', [(b"json.a.array_0.b", b"1"), (b"json.a.array_1.array_0", b"2")]),
        (b'[1,[2],{"a":3}]', [(b"json.array_0", b"1"), (b"json.array_1.array_0", b"2"), (b"json.array_2.a", b"3")]),
        (b'"x"', [(b"json", b"x")]),
        (b" 12 ", [(b"json", b"12")]),
        (b'{"a":1.50e3,"b":true,"c":null}', [(b"json.a", b"1.50e3"), (b"json.b", b"true"), (b"json.c", b"")]),
        (b'{"a":1,"a":2}', [(b"json.a", b"1"), (b"json.a", b"2")]),
        (b'{"":{"x":1},"y":{"":2}}', [(b"json.empty-key.x", b"1"), (b"json.y.empty-key", b"2")]),
        (b'{"a":"\\u0000b\\n"}', [(b"json.a", b"\0b\n")]),
        (b'{"a":"\\ud800x\\ud83d\\ude00"}', [(b"json.a", "?x\U0001f600".encode())]),
        (b'{"a":[],"b":{}}', []),
        (b'{"a":"[[[[{{{{"}', [(b"json.a", b"[[[[{{{{")]),
    ],
)  # fmt: skip
def test_flattened_as_modsecurity_does(body: bytes, pairs: list[tuple[bytes, bytes]]) -> None:
    result = parse_json(body)
    assert (result.pairs, result.error) == (pairs, "")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "parse error: premature EOF"),
        (b'{"a":1', "parse error: premature EOF"),
        (b'{"a":"x', "parse error: premature EOF"),
        (b'{"a":"\xff"}', "lexical error: invalid bytes in UTF8 string."),
        (b'{"a":NaN}', "lexical error: invalid char in json text."),
        (b'{"a":"\x01"}', "lexical error: invalid character inside string."),
        (b'{"a":1} x', "parse error: trailing garbage"),
        (b'{"a":01}', "parse error:"),
        (b'{"a":1,}', "parse error:"),
        (b"\xef\xbb\xbf{}", "parse error:"),
        (b"{'a':1}", "parse error:"),
        (b"a=b", "parse error:"),
    ],
)
def test_errors_are_worded_as_yajl_words_them(body: bytes, error: str) -> None:
    assert parse_json(body).error.startswith(error)


def nesting(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(nesting, value.values()), default=0)
    return 1 + max(map(nesting, value), default=0) if isinstance(value, list) else 0


bracketed = st.text(alphabet='[]{}"\\a', max_size=6)


@given(
    st.recursive(bracketed, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(bracketed, inner, max_size=3)),
    st.integers(0, 4),
)
def test_brackets_in_strings_are_no_depth(value: object, depth: int) -> None:
    error = parse_json(json.dumps(value).encode(), Limits(depth=depth)).error
    assert ("depth limit exceeded" in error) == (nesting(value) > depth)


def test_depth_is_limited() -> None:
    nested = b"[" * 64 + b"1" + b"]" * 64
    assert parse_json(nested).error == ""
    for body in (b"[" + nested + b"]", b"[" * 100_000, b'{"a":' * 100_000, b'["\\"",' + b"[" * 70):
        assert "depth limit exceeded" in parse_json(body).error
    assert parse_json(b"[[]]", Limits(depth=1)).error != ""
    assert parse_json(b'{"a":[' + b"{}," * 500 + b"{}]}").error == ""


@pytest.mark.parametrize("body", [b"[" * 5_000 + b"]" * 5_000, b"[" * 100_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000])
def test_a_limit_beyond_what_can_be_read_is_no_crash(body: bytes) -> None:
    limits = Limits(depth=50_000)
    assert "depth limit exceeded" in parse_json(body, limits).error
    assert json_leaves(body, limits) is json_lines(body, limits) is None


@pytest.mark.parametrize(
    "inner", [b"[" + b"1," * 8_000 + b"1]", b"[" + b"[1,2]," * 2_000 + b"[]]", b'{"":[' * 20 + b"1," * 5_000]
)
def test_names_that_repeat_a_long_one_are_limited(inner: bytes) -> None:
    closing = b"]}" * 20 if inner.endswith(b",") else b""
    body = b'{"a":"x","' + b"k" * 60_000 + b'":' + inner + (b"1" + closing if closing else b"") + b"}"
    found = parse_json(body, Limits(fields=1 << 17))
    assert "too long" in found.error
    assert found.pairs[0] == (b"json.a", b"x")
    assert sum(map(len, found.names)) < 8 << 20
    assert json_leaves(body, Limits(fields=1 << 17)) is None


def test_long_documents_of_short_values_pass() -> None:
    body = b'{"data":{"series":[{"values":[' + b"1," * 50_000 + b"1]}]}}"
    assert parse_json(body, Limits(fields=1 << 17)).error == ""


def test_fields_are_limited() -> None:
    result = parse_json(b"[" + b"1," * 5000 + b"1]", Limits(fields=100))
    assert len(result.pairs) == 100
    assert "client cancelled parse" in result.error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_leaves_all_arrive(value: object) -> None:
    def leaves(item: object) -> int:
        children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        return 1 if children is None else sum(map(leaves, children))

    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        result = parse_json(text.encode("utf-8", "surrogatepass"))
        if not result.error:
            assert len(result.pairs) == leaves(value)
        else:
            assert "UTF8" in result.error


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u0123abtruefalsn.-+eE ', max_size=60).map(str.encode))
def test_total(body: bytes) -> None:
    parse_json(body)


@pytest.mark.parametrize(
    "piece", [b"[", b"{", b'"', b"\\", b'"\\', b"1", b"[1,", b'{"a":', b" ", b"]", b"1,", b"-", b"e"]
)
def test_linear(piece: bytes) -> None:
    start = time.process_time()
    for head in (b"", b'"', b"[", b'{"a":"'):
        parse_json(head + piece * 30_000)
    assert time.process_time() - start < 3


@pytest.mark.parametrize("depth", [63, 64, 65, 100_000])
def test_lines_and_leaves_are_those_of_what_is_accepted(depth: int) -> None:
    body = b'{"a.b":' + b"[" * (depth - 1) + b'"x",7,null' + b"]" * (depth - 1) + b"}"
    found = parse_json(body)
    leaves, lines = json_leaves(body), json_lines(body)
    assert (leaves is None) == (lines is None) == bool(found.error)
    if leaves is not None:
        assert list(leaves) == found.pairs
        assert lines == b"a.b\na\nb\nx\n7"


@given(st.binary(max_size=20) | st.text('{}[]":,a1 \\', max_size=20).map(str.encode))
def test_leaves_never_raise_and_agree(body: bytes) -> None:
    found = parse_json(body)
    leaves = json_leaves(body)
    assert (None if found.error else found.pairs) == (None if leaves is None else list(leaves))
    assert json_lines(body) is None or not found.error


_LEAVES = st.none() | st.booleans() | st.integers() | st.text('a.,:{}[] \t"\\\né', max_size=6)


@given(
    st.recursive(_LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a., "é'), inner)),
    st.sampled_from([(",", ":"), (" , ", " : ")]),
)
def test_every_name_and_leaf_is_a_line(value: object, separators: tuple[str, str]) -> None:
    body = json.dumps(value, separators=separators, ensure_ascii=False).encode()
    lines = json_lines(body)
    pairs = parse_json(body).pairs
    wanted = {leaf for _, leaf in pairs} | {part for name, _ in pairs for part in re.split(rb"\.", name)[1:]}
    if lines is None:
        assert b"\\" in body or not pairs
    else:
        found = {*lines.split(b"\n"), *(b"array_%d" % n for n in range(5)), b"empty-key", b"", b"true", b"false"}
        assert {each for each in wanted if b"\n" not in each} <= found


@pytest.mark.parametrize(
    "body", [b'{"a": "\xff"}', b'"\xed\xa0\x80"', b'"a\nb"', b"[1 2]", b"[NaN]", b"01", b"", b"[1,]"]
)
def test_there_are_no_lines_of_what_is_no_document(body: bytes) -> None:
    assert json_lines(body) is None
