"""Patterns that are found in every text of a kind."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.matcher.certain import is_found_in_all
from bascule.waf.matcher.triggers import ALPHABET
from bascule.waf.matcher.uri import ExactUri
from tests.waf.engine.world import CLIENT, crs, fired, waf

USUAL = ALPHABET.replace(b" ", b"")


@pytest.mark.parametrize(
    ("pattern", "certain"),
    [
        (rb"^GET /[^#]*$", True),
        (rb"^(?i:get) /[^#?]*(?:\?[^\s#]*)? HTTP/\d\.\d$", True),
        (rb"^[A-Z]{3,10} /\S* HTTP", True),
        (rb"HTTP/1\.1$", True),
        (rb"", True),
        (rb"^GET /[^#%]*$", False),
        (rb"^GET /[a-z]*", True),
        (rb"^GET /[a-z]* ", False),
        (rb"^[A-Z]{4,} ", False),
        (rb"^.{0,200}$", False),
        (rb"^GET /(?!x)", False),
        (rb"\bGET", False),
        (rb"(GET) /.*\1", False),
    ],
)
def test_what_is_known_of_patterns(pattern: bytes, certain: bool) -> None:
    assert is_found_in_all(pattern, b"GET /", USUAL, b" HTTP/1.1") is certain


pieces = st.sampled_from(
    [b"a", b"b", b"[ab]", b"[^a]", b".", b"^", b"$", b"(?:a|b)", b"(ab)", b"c?", b"a*", b"[abc]+", b"(?:ab|c){1,2}",
     b"x", b"(?i:X)", b"|"]
)  # fmt: skip


@given(st.lists(pieces, max_size=6).map(b"".join), st.lists(st.text("abc", max_size=6), min_size=1, max_size=8))
@settings(max_examples=400, deadline=None)
def test_what_is_certain_is_found_in_all_texts(pattern: bytes, texts: list[str]) -> None:
    certain = is_found_in_all(pattern, b"x", b"abc", b"y")
    found = [re.search(pattern, b"x" + text.encode() + b"y", re.DOTALL) is not None for text in ["", *texts]]
    assert all(found) or not certain


def test_usual_request_lines_are_not_held_against_the_pattern_that_all_of_them_match() -> None:
    lines = ExactUri(crs(1, True).plan.uri)
    calls: list[bytes] = []
    lines._gates = [(read, lambda line: bool(calls.append(line)), bit) for read, _, bit in lines._gates]
    t = crs(1, True).begin(CLIENT)
    for method, target, tried in (
        (b"GET", b"/a?b=c+d", 0), (b"POST", b"/%41", 0), (b"GET", b"/a#b", 1), (b"GET", b"a", 1), (b"GET", b"/a b", 1),
        (b"X", b"/", 1), (b"GET", b"/\xe4", 1),
    ):  # fmt: skip
        calls.clear()
        t.set_head(method, target, b"1.1", [])
        lines.opened(t, t.request_line)
        assert len(calls) == tried, (method, target)


def test_a_pattern_that_some_usual_lines_lack_is_tried() -> None:
    rules = 'SecRule REQUEST_LINE "!@rx ^GET /[a-z]* HTTP" "id:1,phase:1,log"'
    for target, found in ((b"/abc", 0), (b"/a1", 1), (b"/\n", 1)):
        t = waf(rules).begin(CLIENT)
        t.request_head(b"GET", target, b"1.1", [])
        assert fired(t) == [1] * found, target
