"""Differential test against the libinjection inside libmodsecurity, and the sample files."""

from __future__ import annotations

import random
import time
from functools import cache
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.waf.libinjection import is_sqli, is_xss, sqli, xss
from tests.support.oracle import Oracle
from tests.support.shared import shared_dir

RULES = r"""
SecRuleEngine DetectionOnly
SecRequestBodyAccess On
SecRule ARGS:a "@detectSQLi" "id:1,phase:2,pass,log,capture,t:none,logdata:'%{TX.0}'"
SecRule ARGS:a "@detectXSS" "id:2,phase:2,pass,log,t:none"
"""
SQL_PIECES = (
    b"' \" ` -- # /* */ ( ) , 1 or union select \0 < > = on / &# \xa0 $ @ \\ { } ; . :: if in( like e' q'( 0x ! 1.e"
).split(b" ")
HTML_PIECES = (
    b"' \" < > = / \0 a on onclick href java script !-- -- -!> ? % %> ` &#x6a; &#106 style svg xmlns ![CDATA["
    b" ]]> doctype attributename import [if"
).split(b" ")


@cache
def samples() -> list[bytes]:
    lines: set[bytes] = set()
    for path in shared_dir("vectors", "libinjection", "data").iterdir():
        for line in path.read_bytes().splitlines():
            lines |= {line, unquote_to_bytes(line.replace(b"+", b" "))}
    return sorted(lines - {b""})


@cache
def oracle() -> Oracle:
    return Oracle(RULES)


def reference(text: bytes) -> tuple[bytes | None, bool]:
    found = {message.rule_id: message for message in oracle().of_value(text)}
    return (found[1].data.encode() if 1 in found else None), 2 in found


def test_samples_and_false_positives_are_judged_alike() -> None:
    draw = random.Random(1)
    texts = draw.sample(samples(), 3000)
    texts += shared_dir("vectors", "libinjection", "data", "false_positives.txt").read_bytes().splitlines()
    detected = 0
    for text in filter(None, texts):
        expected = reference(text)
        assert (is_sqli(text), is_xss(text)) == expected, text
        detected += expected[0] is not None
    assert detected > 2000


def test_mutated_samples_are_judged_alike() -> None:
    draw = random.Random(2)
    for text in draw.sample(samples(), 1500):
        mutant = bytearray(text[:80])
        for _ in range(draw.randrange(1, 5)):
            at = draw.randrange(len(mutant) + 1)
            if draw.random() < 0.3:
                del mutant[at : at + draw.randrange(1, 6)]
            else:
                mutant[at:at] = draw.choice(SQL_PIECES)
        assert (is_sqli(bytes(mutant)), is_xss(bytes(mutant))) == reference(bytes(mutant)), mutant


def test_made_up_markup_is_judged_alike() -> None:
    draw = random.Random(3)
    for _ in range(1500):
        text = b"".join(draw.choices([*HTML_PIECES, b" ", b"\n"], k=draw.randrange(2, 12)))
        assert is_xss(text) == reference(text)[1], text


def test_no_fingerprint_consists_of_what_a_plain_text_yields() -> None:
    assert not [kinds for kinds in sqli.FINGERPRINTS if set(kinds) <= set("N1,.")]


WORDS = st.sampled_from(
    [b"hello", b"world", b"12", b"a1_b", b"union", b"select", b"or", b"in", b"not", b",", b".", b" ", b"is"]
)


@given(st.lists(WORDS | st.text("abz_09 ,.", max_size=5).map(str.encode), max_size=12).map(b" ".join))
def test_what_is_dismissed_as_plain_is_never_detected(text: bytes) -> None:
    if sqli.is_plain(text):
        assert sqli._detect(text) is None


@given(st.lists(st.sampled_from(HTML_PIECES), max_size=14).map(b"".join))
def test_what_is_dismissed_as_no_markup_is_never_detected(text: bytes) -> None:
    if not is_xss(text):
        assert not xss._detect(text)


@given(st.binary(max_size=300))
def test_total(text: bytes) -> None:
    is_sqli(text)
    is_xss(text)


@pytest.mark.parametrize(
    "piece", [*SQL_PIECES, *HTML_PIECES, b"'\\", b"\\\\'", b"''", b"on=", b"a=b ", b"&#0", b"$a", b"-\0", b"((", b"--!"]
)
def test_linear(piece: bytes) -> None:
    if not piece:
        return
    text = (piece * 131072)[:131072]
    start = time.process_time()
    is_sqli(text)
    is_sqli(b"1'" + text)
    is_xss(text)
    is_xss(b"<a href=" + text)
    assert time.process_time() - start < 15
