"""URL-encoded bodies, query strings and cookies."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.bodies import Limits, parse_cookies, parse_urlencoded, percent
from bascule.waf.bodies.percent import url_decode
from bascule.waf.seclang.transformations import url
from bascule.waf.seclang.transformations.url import url_decode_uni


@pytest.mark.parametrize(
    ("body", "pairs", "invalid"),
    [
        (b"", [], False),
        (b"a=1&b=2", [(b"a", b"1"), (b"b", b"2")], False),
        (b"a=1&a=2", [(b"a", b"1"), (b"a", b"2")], False),
        (b"a", [(b"a", b"")], False),
        (b"a=b=c", [(b"a", b"b=c")], False),
        (b"=x", [(b"", b"x")], False),
        (b"a=1&&b=2&", [(b"a", b"1"), (b"", b""), (b"b", b"2")], False),
        (b"a+b=%41%2B+%26", [(b"a b", b"A+ &")], False),
        (b"%3d=%00", [(b"=", b"\0")], False),
        (b"a=%", [(b"a", b"%")], True),
        (b"a=%4&%zz=1", [(b"a", b"%4"), (b"%zz", b"1")], True),
        (b"a=%u0041", [(b"a", b"%u0041")], True),
    ],
)
def test_fields(body: bytes, pairs: list[tuple[bytes, bytes]], invalid: bool) -> None:
    result = parse_urlencoded(body)
    assert (result.pairs, result.invalid_encoding, result.error) == (pairs, invalid, "")


def test_argument_separator() -> None:
    assert parse_urlencoded(b"a=1;b=2&c", b";").pairs == [(b"a", b"1"), (b"b", b"2&c")]


def test_fields_are_limited() -> None:
    result = parse_urlencoded(b"a=1&" * 5000, limits=Limits(fields=100))
    assert len(result.pairs) == 100
    assert result.error == "more than 100 fields"
    assert parse_urlencoded(b"a=1&" * 100, limits=Limits(fields=100)).error == ""


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        (b"a=1; b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"a=b=c;d", [(b"a", b"b=c"), (b"d", b"")]),
        (b" ;;a=1;  =x; b = y ", [(b"a", b"1"), (b"b ", b" y ")]),
        (b'$Version=1; a="x%41"', [(b"$Version", b"1"), (b"a", b'"x%41"')]),
        (b"", []),
    ],
)
def test_cookies(header: bytes, cookies: list[tuple[bytes, bytes]]) -> None:
    assert parse_cookies(header) == cookies


def test_cookies_are_limited() -> None:
    assert len(parse_cookies(b"a=1;" * 5000, Limits(fields=100))) == 100


@given(st.binary(max_size=200), st.sampled_from([b"&", b";"]))
def test_nothing_is_lost(body: bytes, separator: bytes) -> None:
    result = parse_urlencoded(body, separator)
    assert len(result.pairs) == body.count(separator) + (not body.endswith(separator) and bool(body))
    parse_cookies(body)


@pytest.mark.parametrize("piece", [b"&", b"=", b"%", b"%4", b"+", b"a&", b"a=%41&", b";", b" "])
def test_linear(piece: bytes) -> None:
    start = time.process_time()
    parse_urlencoded(piece * 100_000, limits=Limits(fields=1_000_000))
    parse_cookies(piece * 100_000, Limits(fields=1_000_000))
    assert time.process_time() - start < 3


@given(st.lists(st.sampled_from([b"%41", b"%", b"%%", b"%4", b"+", b"%u0041", b"abc", b"%zz", b"%C3%A9"]), max_size=60))
def test_decoding_by_portions_is_decoding_at_once(pieces: list[bytes]) -> None:
    value = b"".join(pieces)
    with pytest.MonkeyPatch.context() as patch:
        whole, whole_uni = url_decode(value), url_decode_uni(value)
        patch.setattr(percent, "PORTION", 5)
        patch.setattr(url, "PORTION", 5)
        assert url_decode(value) == whole
        assert url_decode_uni(value) == whole_uni
