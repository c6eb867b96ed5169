"""The levels of scanning say the same of a text, and patterns are restricted without losing a match."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.logic.facts.alphabet import restricted
from bascule.waf.logic.facts.patterns import LEVELS, MARKED, NAMES, WORDS, level_of
from bascule.waf.logic.learn import attacks, honest
from bascule.waf.logic.learn.grammar import texts

ATTACKS = [text.encode() for _, grammar in attacks.GRAMMARS.values() for text in texts(grammar, 5, 40)]
HONEST = [text.encode() for grammar in honest.GRAMMARS.values() for text in texts(grammar, 5, 40)]


def agree(text: bytes) -> None:
    """What any level that takes the text reports, the last one reports."""
    everything = sorted(LEVELS[-1].scan(text))
    for level in LEVELS:
        if not text.translate(None, level.alphabet):
            assert sorted(set(level.scan(text))) == sorted(set(everything)), level.alphabet
    assert not text.translate(None, level_of(text).alphabet)


@pytest.mark.parametrize("keep", [WORDS, MARKED, LEVELS[2].alphabet], ids=["words", "marked", "text"])
def test_levels_agree_on_attacks_and_honest_texts(keep: bytes) -> None:
    drop = bytes(set(range(256)) - set(keep))
    for text in (*ATTACKS, *HONEST):
        agree(text.translate(None, drop))


_WORDS = st.sampled_from(
    [b"select", b" ", b"from ", b"union", b"or ", b"1", b"/etc/", b"passwd", b"..", b"/", b"http:", b"-", b"_", b",",
     b"cat ", b".php", b"and 1", b"like", b"0x", b"61626364", b"(", b")", b"=", b"|", b";", b"*", b"{", b"}", b"[", b"]",
     b"$", b"'", b'"', b"<script", b">", b"alert", b"\\", b"%2e", b"&", b"+", b"\r\n", b"\x00", b"\xc0\xae"]
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(_WORDS | st.binary(max_size=3), max_size=12).map(b"".join))
def test_levels_agree(text: bytes) -> None:
    agree(text)


PATTERNS = [rb"\bab+c?\b", rb"^(?:a|-b){2,3}$", rb"[^a]c*", rb"(?:-)?a", rb"a(?:-|b)", rb"(?:-+|)b", rb"a.{1,3}?c"]


@given(st.sampled_from(PATTERNS), st.text("abc-", max_size=8), st.sampled_from([b"abc", b"ab", b"abc-"]))
def test_what_is_left_of_a_pattern_matches_the_same(pattern: bytes, text: str, alphabet: bytes) -> None:
    value = bytes(char for char in text.encode() if char in alphabet)
    left = restricted(pattern, alphabet)
    matches = re.search(pattern, value, re.MULTILINE | re.DOTALL) is not None
    assert matches == (left is not None and re.search(left, value, re.MULTILINE | re.DOTALL) is not None)


def test_nothing_is_left_of_most_patterns() -> None:
    assert restricted(rb"a'b", WORDS) is None
    assert restricted(rb"(?i:ab|'c)", WORDS) == rb"[\x41\x61][\x42\x62]"
    assert len(NAMES) > 500
