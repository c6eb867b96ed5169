"""What each match of an expression holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.matcher.factors import ASIDE, factors
from bascule.waf.seclang.operators.pcre import parse

PATTERNS = {
    rb"eval\(": {b"eval("},
    rb"new[\s]+function[\s]*\(": {b"newfunction("},
    rb"(?:Close|f(?:ork|unc)|(?:ope|spaw)n)[\s\x0b]*\(": {b"close", b"ork", b"unc", b"ope", b"spaw"},
    rb"a\+b{2,}c?[de]+f{3}\b": {b"abb", b"fff"},
    rb"\ba(?=x)bc|(?:de){2}": {b"abc", b"de"},
    rb"[ab]c?": set(),
    rb"x(?:yz|[0-9])": {b"x"},
    rb"x*(?:yz|w*)": set(),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_factors(pattern: bytes) -> None:
    found = factors(parse(pattern))
    assert found <= PATTERNS[pattern]
    assert bool(found) == bool(PATTERNS[pattern])


@given(st.data(), st.sampled_from([p for p, known in PATTERNS.items() if known and b"?=" not in p]))
@settings(max_examples=300, deadline=None)
def test_every_match_holds_one(data: st.DataObject, pattern: bytes) -> None:
    text = data.draw(st.from_regex(re.compile(pattern, re.IGNORECASE)))
    kept = text.translate(None, ASIDE).lower()
    assert any(factor in kept for factor in factors(parse(pattern)))
