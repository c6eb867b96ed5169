"""The scan of ordinary texts: what an operator accepts there is nominated, or the texts are left to the other scan."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.libinjection import is_sqli, is_xss, xss
from bascule.waf.matcher import sqli
from bascule.waf.matcher.alphabet import alternatives, needle, restrict, spell
from bascule.waf.matcher.automaton import OTHER_SEAM
from bascule.waf.matcher.ordinary import LOCAL, NEVER, Ordinary, OrdinaryBuilder
from bascule.waf.matcher.patterns import BASE, Expression, Patterns
from bascule.waf.matcher.scanner import ScannerBuilder
from bascule.waf.matcher.triggers import ALPHABET
from bascule.waf.seclang.operators import OPERATORS, LoadContext
from bascule.waf.seclang.operators.pcre import parse
from bascule.waf.seclang.operators.tree import byte_set
from bascule.waf.seclang.transformations import TRANSFORMATIONS

PIECES = (
    b"a", b"A", b"or", b"1", b"0x1f", b"select", b"union ", b"cat", b"time ", b"head ", b"env", b"=", b";", b"&", b"&amp;",
    b"&#65;", b"%27", b"%2e", b"%41", b"+", b" ", b"  ", b"/", b"//", b"..", b"./", b"--", b",", b"?", b"@", b"QUJD",
    b"c2VsZWN0", b"ZXZhbCg=", b"onclick", b"style", b"href", b"_", b"-", b"~", b":", b"etc/passwd",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join)
MORE = st.sampled_from([b"'", b"(", b"\n", b"\x01", b"\xff", b"<"])

PATTERNS = (
    rb"^abc$",
    rb"(?i)union\s+select",
    rb"(?:^|[;|])\s*cat",
    rb"'|--|or$",
    rb"\Bc",
    rb"[^a-z]{3}",
    rb"a.b",
    rb"^\d+$",
    rb"(?:a|^)b|c$",
    rb"(?:^|[\\/;])\.{2,3}[\\/;]",
    rb"<script|[\"'](?:on|;)|eval\(",
    rb"c['\\]*a['\\]*t(?:['\\]|\s)*[ &,]?",
    rb"(?i)(?:^|time\s|env[ &,].*|[ls]trace|[;=]|&&?)\s*(?:[0-9_a-z]+=\S+\s+)*\s*(?:[+\-.0-9?_a-z]+/)?"
    rb"(?:head[ &,]|cat\b.*|etc/passwd|select|union(?: a)?|[a-b]{3,}or)",
    rb"_[^&=]*_(?:i?(?:cat|or)|[ls]elect)(?:$|\"[\s\x0b]*:)",
    rb"(?i)(?:time|[;=])[a-z]*(?:select|union|passwd)$",
    rb"(?=a)or|(?<!b)at",
    rb"11|==|[.]{2}",
)

CHAINS = (
    ["utf8tounicode", "urldecodeuni", "removenulls", "cmdline"],
    ["urldecodeuni", "removecommentschar"],
    ["urldecodeuni", "htmlentitydecode", "jsdecode", "removewhitespace"],
    ["cmdline", "normalizepath"],
    ["cmdline", "removecommentschar"],
    ["urldecodeuni", "jsdecode", "removewhitespace", "base64decode", "urldecodeuni", "jsdecode"],
)


def builder_of(pattern: bytes, names: list[str], each: bool) -> Ordinary | None:
    patterns = Patterns()
    expressions = patterns.regex(pattern)
    if expressions is None:
        return None
    steps = tuple((name, TRANSFORMATIONS[name]) for name in names)
    builder, whole = OrdinaryBuilder(patterns), ScannerBuilder()
    builder.add(expressions, steps, 1, each)
    whole.add(expressions, steps, 1, each)
    return builder.build(None, whole.build(None))


@given(
    st.lists(texts | st.builds(bytes.__add__, texts, MORE), min_size=1, max_size=4),
    st.lists(st.sampled_from(sorted(TRANSFORMATIONS)), max_size=4) | st.sampled_from(CHAINS),
    st.sampled_from(PATTERNS),
    st.booleans(),
)
@settings(max_examples=1500, deadline=None)
def test_what_an_operator_accepts_is_nominated(
    values: list[bytes], names: list[str], pattern: bytes, each: bool
) -> None:
    ordinary = builder_of(pattern, names, each)
    if ordinary is None:
        return
    accepts = OPERATORS["rx"](pattern, LoadContext()).evaluate
    found = ordinary.scan(values)
    for value in values:
        forms = [value]
        for name in names:
            forms.append(TRANSFORMATIONS[name](forms[-1]))
        if any(accepts(form) is not None for form in (forms if each else forms[-1:])):
            assert found is None or found & 1, value


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (b"12--34", ["cmdline", "removecommentschar"]),
        (b"12--34", ["urldecodeuni", "removecommentschar", "cmdline"]),
        (b"12 34", ["removewhitespace", "cmdline"]),
        (b"12&#51;4", ["htmlentitydecode", "cmdline"]),
        (b"1234", ["cmdline", "compresswhitespace"]),
    ],
)
def test_what_a_step_brings_together_is_nominated(value: bytes, names: list[str]) -> None:
    ordinary = builder_of(b"1234", names, each=False)
    assert ordinary is not None
    assert ordinary.scan([value]) != 0


@given(texts, st.sampled_from(PATTERNS))
@settings(max_examples=800, deadline=None)
def test_what_is_left_of_an_expression_matches_what_it_matches(text: bytes, pattern: bytes) -> None:
    if OPERATORS["rx"](pattern, LoadContext()).evaluate(text) is None:
        return
    alphabet = byte_set(ALPHABET)
    tree = restrict(parse(pattern), alphabet)
    assert tree is not None
    assert any(re.search(spell(node), text.decode(), re.MULTILINE) for node in alternatives(tree, alphabet))
    assert needle(tree) in text.lower()


def test_expressions_shrink_to_what_ordinary_texts_can_match() -> None:
    alphabet = byte_set(ALPHABET)
    assert restrict(parse(rb"eval\("), alphabet) is None
    assert restrict(parse(rb"<[^>]*>|'or"), alphabet) is None
    tree = restrict(parse(rb"(?i)c[\"'\\]*a[\"'\\]*t"), alphabet)
    assert tree is not None
    assert spell(tree, caseless=True) == "cat"
    assert needle(tree) == b"cat"


@given(st.lists(texts, min_size=1, max_size=4), st.sampled_from(sorted(LOCAL)))
@settings(max_examples=600, deadline=None)
def test_local_steps_do_to_joined_texts_what_they_do_to_each(values: list[bytes], name: str) -> None:
    step = TRANSFORMATIONS[name]
    if any(step(value).translate(None, ALPHABET) for value in values):
        return  # something was decoded that is not ordinary: these texts are left to the other scan
    assert step(OTHER_SEAM.join(values)) == OTHER_SEAM.join(map(step, values))


@given(texts, st.sampled_from(sorted(NEVER)))
def test_steps_that_ordinary_texts_are_never_changed_by(text: bytes, name: str) -> None:
    assert TRANSFORMATIONS[name](text) == text


sentences = st.lists(
    st.sampled_from(
        [b"1", b"or", b"and", b"select", b"union", b"x", b"sleep", b"from", b"having", b"0x1f", b"1e5", b"2d"]
    )
    | st.sampled_from([b" ", b"+", b",", b"=", b";", b"--", b"-", b".", b"/", b"@", b"&&", b"%", b"~", b":", b"?"]),
    max_size=9,
).map(b"".join)


@given(sentences)
@settings(max_examples=1500, deadline=None)
def test_the_condition_of_sql_injection_holds_for_ordinary_texts(text: bytes) -> None:
    if is_sqli(text) is not None:
        assert any(re.search(expression, text) for expression in sqli.ordinary())


markup = st.lists(
    st.sampled_from([b"onclick", b"onload", b"style", b"xmlns", b"href", b"src", b"javascript:", b"data:", b"x", b"a"])
    | st.sampled_from([b" ", b"/", b"=", b"&#x6a;", b";", b"+", b"<a", b"<script", b">"]),
    max_size=7,
).map(b"".join)


@given(markup)
@settings(max_examples=800, deadline=None)
def test_the_condition_of_cross_site_scripting_holds(text: bytes) -> None:
    if is_xss(text):
        assert any(re.search(expression, text, re.DOTALL) for expression in xss.NECESSARY)


ENCODED = ("urldecodeuni", "jsdecode", "removewhitespace", "base64decode", "urldecodeuni", "replacecomments")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b"harmless", b"words and more"], 0),
        ([b"a", b"ZXZhbChhbGVydCk"], 0),
        ([b"a", b"ZXZhbChhbGVydCkg"], 1),
        ([b"ZXZh bChh bGVy dCkg"], 1),
        ([b"ZXZhbChhbGVydCk="], 1),
        ([b"ZXZhbCUyOGE5"], 1),  # eval%28a9
        ([b"abcdefgh", b"ZXZhbC8qKi8o"], 0),  # eval/**/( becomes "eval ("
        ([b"abcdefgh", b"ZXZhKC8qKi9ldmFsKDEp"], 1),
    ],
)
def test_what_is_hidden_in_base64_is_found(values: list[bytes], expected: int) -> None:
    expressions = [Expression(rb"eval\(", BASE)]
    steps = tuple((name, TRANSFORMATIONS[name]) for name in ENCODED)
    builder, whole = OrdinaryBuilder(Patterns()), ScannerBuilder()
    builder.add(expressions, steps, 1)
    whole.add(expressions, steps, 1)
    assert builder.build(None, whole.build(None)).scan(values) == expected
