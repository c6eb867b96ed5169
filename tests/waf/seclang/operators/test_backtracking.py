"""@rx patterns without a linear-time form: exact, and bounded whatever the value."""

from __future__ import annotations

import contextlib
import random
import re
import time

import pytest

from bascule.waf.engine import Waf, WafSettings
from bascule.waf.seclang.operators import OPERATORS, LimitExceededError, LoadContext, OperatorError
from bascule.waf.seclang.operators.backtracking import MAX_TEXT, Backtracking
from bascule.waf.seclang.operators.rx import Rx, compile_regex, first_match
from tests.support.debian import debian_crs
from tests.waf.engine.world import Request, fired, rule_cache, send, waf

PATTERNS = {
    rb"(\w+)\s*=\s*\1\b": b"ab1 ==",
    rb"a(?=b.*c)b": b"abc\n",
    rb"(?<!ab|cd)e": b"abcde",
    rb"[ab]*+b|c": b"abc",
    rb"(?>a|ab)c": b"abc",
    rb"(?i)(['\"])\w+\1": b"'\"aA",
    rb"(?P<quote>['\"])x(?P=quote)": b"'\"x",
    rb"(a)(b)?\2c": b"abc",
    rb"\b(\d+)\b(?!\s*\1)\s+\d+": b"12 ",
}
"""Patterns with the bytes to make texts of."""


def operator(pattern: bytes, limit: int | None = None) -> Rx:
    made = OPERATORS["rx"](pattern, LoadContext(match_limit=limit))
    assert isinstance(made, Rx)
    return made


@pytest.mark.parametrize("pattern", PATTERNS)
def test_matches_and_captures_as_python_does(pattern: bytes) -> None:
    ours, theirs, draw = compile_regex(pattern, LoadContext()), re.compile(pattern, re.S | re.M), random.Random(pattern)
    assert isinstance(ours, Backtracking)
    hits = 0
    for _ in range(1000):
        text = bytes(draw.choices(PATTERNS[pattern], k=draw.randint(1, 8)))
        expected, found = theirs.search(text), first_match(ours, text)
        assert (found is None) == (expected is None), text
        if found is not None and expected is not None:
            hits += 1
            groups = [expected[0], *(group or b"" for group in expected.groups())]
            assert list(found.groups) == groups[: len(found.groups)]
    assert hits > 20


@pytest.mark.parametrize("pattern", [rb"(a+)+\1$", rb"(\w+\s?)+\1!", rb"(?:a|aa)+(?<!bb)$", rb"(x+x+)+(?!y)y\1"])
def test_bounded_on_what_makes_it_explode(pattern: bytes) -> None:
    regex = operator(pattern)
    start = time.process_time()
    for piece in (b"a", b"aa ", b"x", b"a b"):
        for size in (30, 1000, MAX_TEXT, 200_000):
            with contextlib.suppress(LimitExceededError):
                regex.evaluate((piece * size)[:size] + b"b")
    assert time.process_time() - start < 8


def test_what_the_relaxed_form_dismisses_may_be_of_any_length() -> None:
    assert operator(rb"(\w+)=\1").evaluate(b"a" * 1_000_000) is None
    with pytest.raises(LimitExceededError, match="8192 bytes"):
        operator(rb"(\w+)=\1").evaluate(b"a" * 1_000_000 + b"=b")


def test_match_limit_of_the_rules_is_kept() -> None:
    assert operator(rb"(\w+)\1\d").evaluate(b"abcd1") is None
    with pytest.raises(LimitExceededError, match="match limit"):
        operator(rb"(\w+)\1\d", 3).evaluate(b"abcd1")


def test_wrong_patterns_are_refused() -> None:
    with pytest.raises(OperatorError, match=r"PCRE2 cannot compile .*; correct it"):
        operator(rb"(?<=a+)b(?=c)d")


@pytest.mark.parametrize("prefilter", [True, False])
@pytest.mark.parametrize("negated", ["", "!"])
def test_beyond_the_bound_the_rule_counts_as_matching_and_the_event_says_so(prefilter: bool, negated: str) -> None:
    firewall = waf(
        "SecRuleEngine On\nSecPcreMatchLimit 3\n"
        f'SecRule ARGS:a "{negated}@rx (\\w+)\\1\\d" "id:1,phase:2,deny,status:403,log,capture,logdata:\'%{{TX.0}}\'"\n'
        'SecRule MSC_PCRE_LIMITS_EXCEEDED "@eq 1" "id:2,phase:5,pass,log"',
        prefilter=prefilter,
    )
    t, verdict = send(firewall, Request(target=b"/?a=abcd1"))
    event = t.finish()
    assert verdict is not None
    assert verdict.status == 403
    assert event is not None
    assert event.notes == ["rule 1 counts as matching ARGS:a: PCRE2: match limit exceeded"]
    assert fired(t) == [1, 2]
    assert send(firewall, Request(target=b"/?a=x"))[1] is None or negated


def test_crs_of_debian_loads_and_its_warnings_tell_what_is_left_out() -> None:
    firewall = Waf.load(WafSettings(crs_dir=debian_crs(), paranoia=4), rule_cache())
    assert len(firewall.rules.rules) > 600
    backtracking = {
        rule.rule_id for rule in firewall.rules.rules.values() if getattr(rule.head.operator, "backtracks", 0)
    }
    assert backtracking == {920120, 920600, 942130, 942260}
    idle, *left_out = firewall.warnings
    assert "without effect" in idle
    assert "ctl:auditLogParts" in idle
    assert ["910" in warning for warning in left_out] == [True, True]
    for target, rule in ((b"/?q=1'%20or%20a=a", 942130), (b"/?q=/etc/passwd", 930120), (b"/?q=<script>", 941100)):
        t, verdict = send(firewall, Request(target=target))
        assert rule in fired(t)
        assert verdict is not None
        event = t.finish()
        assert event is not None
        assert event.scores["anomaly_score"] != "0"
