"""The scan of ordinary texts: what an operator accepts there is nominated, or the texts are left to the other scan."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.waf.bodies import parse_urlencoded
from bascule.waf.bodies.cookies import parse_cookies
from bascule.waf.bodies.percent import url_decode
from bascule.waf.bodies.urlencoded import has_invalid_escape
from bascule.waf.libinjection import is_sqli, is_xss, xss
from bascule.waf.matcher import sqli
from bascule.waf.matcher.alphabet import alternatives, needle, restrict, spell
from bascule.waf.matcher.automaton import OTHER_SEAM, make_chain
from bascule.waf.matcher.glance import fields_joined, form_joined
from bascule.waf.matcher.ordinary import LOCAL, NEVER, Database, Ordinary, OrdinaryBuilder, Screen, squeezes
from bascule.waf.matcher.patterns import BASE, Expression, Patterns
from bascule.waf.matcher.scanner import Scanner, ScannerBuilder
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
    ["urldecodeuni", "removewhitespace"],
    ["urldecode"],
    ["utf8tounicode", "urldecodeuni", "htmlentitydecode", "jsdecode", "cssdecode", "removenulls"],
    ["cmdline", "normalizepath"],
    ["cmdline", "removecommentschar"],
    ["urldecodeuni", "jsdecode", "removewhitespace", "base64decode", "urldecodeuni", "jsdecode"],
)


Group = tuple[OrdinaryBuilder, Scanner]


def group_of(pattern: bytes, names: list[str], each: bool, plus: bool) -> Group | None:
    patterns = Patterns()
    expressions = patterns.regex(pattern)
    if expressions is None:
        return None
    steps = tuple((name, TRANSFORMATIONS[name]) for name in names)
    builder, whole = OrdinaryBuilder(patterns, plus), ScannerBuilder()
    builder.add(expressions, steps, 1, each)
    whole.add(expressions, steps, 1, each)
    return builder, whole.build(None)


def builder_of(pattern: bytes, names: list[str], each: bool, plus: bool = False) -> Ordinary | None:
    group = group_of(pattern, names, each, plus)
    return None if group is None else group[0].build(None, group[1])


@given(
    st.lists(texts | st.builds(bytes.__add__, texts, MORE), min_size=1, max_size=4),
    st.lists(st.sampled_from(sorted(TRANSFORMATIONS)), max_size=4) | st.sampled_from(CHAINS),
    st.sampled_from(PATTERNS),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_what_an_operator_accepts_is_nominated(
    values: list[bytes], names: list[str], pattern: bytes, each: bool, plus: bool
) -> None:
    ordinary = builder_of(pattern, names, each, plus)
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


plain = st.lists(texts.filter(lambda text: b"%" not in text), min_size=1, max_size=3).map(OTHER_SEAM.join)


@given(plain, plain, st.sampled_from(CHAINS), st.sampled_from(CHAINS), *[st.sampled_from(PATTERNS)] * 2)
@settings(max_examples=100, deadline=None)
def test_one_scan_for_two_groups_finds_what_two_scans_find(
    first: bytes, second: bytes, names: list[str], others: list[str], pattern: bytes, other: bytes
) -> None:
    one, two = group_of(pattern, names, False, False), group_of(other, others, False, True)
    if one is None or two is None:
        return
    database = Database([*one[0].sought(), *two[0].sought()], None)
    values, raw = one[0].build(None, one[1], database), two[0].build(None, two[1], database)
    found = Screen(values, raw, database).scan(first, second)
    if found is not None:
        of_values, of_raw = values.scan_joined(first), raw.scan_joined(second)
        assert of_values is not None
        assert of_raw is not None
        assert found == of_values | of_raw


def test_an_address_among_the_other_texts_does_not_spoil_the_scan_for_both() -> None:
    paths, words = (
        group_of(rb"etc/passwd", ["cmdline", "normalizepath"], False, False),
        group_of(rb"or", [], False, True),
    )
    assert paths is not None
    assert words is not None
    database = Database([*paths[0].sought(), *words[0].sought()], None)
    screen = Screen(paths[0].build(None, paths[1], database), words[0].build(None, words[1], database), database)
    assert screen.scan(b"/a/b", b"https://shop.example/") == 0
    assert screen.scan(b"/a//b", b"/a//b") is None
    assert screen.scan(b"/a/b", b"a+or+b") is None


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
@settings(max_examples=300, deadline=None)
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
@settings(max_examples=300, deadline=None)
def test_local_steps_do_to_joined_texts_what_they_do_to_each(values: list[bytes], name: str) -> None:
    step = TRANSFORMATIONS[name]
    if any(step(value).translate(None, ALPHABET) for value in values):
        return  # something was decoded that is not ordinary: these texts are left to the other scan
    assert step(OTHER_SEAM.join(values)) == OTHER_SEAM.join(map(step, values))


@given(texts, st.sampled_from(sorted(NEVER)))
def test_steps_that_ordinary_texts_are_never_changed_by(text: bytes, name: str) -> None:
    assert TRANSFORMATIONS[name](text) == text


pieces_of_fields = st.lists(
    st.sampled_from([b"a", b"theme", b"=", b"&", b"+", b";", b"; ", b" ", b"/", b"?", b"-"]), max_size=9
).map(b"".join)


@given(pieces_of_fields, pieces_of_fields)
@settings(max_examples=300, deadline=None)
def test_fields_are_joined_as_parsing_them_would_part_them(query: bytes, cookies: bytes) -> None:
    joined = fields_joined(query, cookies)
    if joined is not None:
        pairs = [*parse_urlencoded(query).pairs, *parse_cookies(cookies.strip(b" "))]
        assert {text for pair in pairs for text in pair} <= {b"", *joined.split(OTHER_SEAM)}


@given(
    st.lists(
        st.sampled_from(
            [b"a", b"=", b"&", b"+", b"%26", b"%3d", b"%40x", b"%25", b"%2541", b"%01", b"%c3", b"%0a", b"%"]
        ),
        max_size=9,
    ).map(b"".join)
)
@settings(max_examples=300, deadline=None)
def test_a_form_is_decoded_and_joined_as_parsing_it_would_part_it(form: bytes) -> None:
    plain = url_decode(form)
    joined = None if plain.translate(None, ALPHABET) else form_joined(form, plain)
    if joined is not None and not has_invalid_escape(form):
        assert {text for pair in parse_urlencoded(form).pairs for text in pair} <= {b"", *joined.split(OTHER_SEAM)}
        assert joined.count(OTHER_SEAM) == form.count(b"&") + form.count(b"=")


def test_separators_in_escapes_are_no_separators() -> None:
    for form, texts in (
        (b"mail=a%40b.org&q=1%2b1", [b"mail", b"a@b.org", b"q", b"1+1"]),
        (b"q=a%26b%3dc&r=+", [b"q", b"a&b=c", b"r", b" "]),
    ):
        assert form_joined(form, url_decode(form)) == OTHER_SEAM.join(texts)


@given(st.lists(st.sampled_from([*PIECES, b"+", b"%3C", b"&lt", b"&LT;", b"&=x"]), max_size=8).map(b"".join))
@settings(max_examples=300, deadline=None)
def test_a_form_as_a_whole_is_scanned_in_every_form_it_takes(form: bytes) -> None:
    builder = ScannerBuilder()
    for bit, (pattern, names) in enumerate(
        [(rb"union.select|<or", ["urldecodeuni"]), (rb"<|=or", ["htmlentitydecode", "lowercase"]), (rb"or\+|%3C", [])]
    ):
        expressions = Patterns().regex(pattern)
        assert expressions is not None
        builder.add(expressions, tuple((name, TRANSFORMATIONS[name]) for name in names), 1 << bit)
    scanner = builder.build(None)
    assert has_invalid_escape(form) or scanner.scan_form(form, url_decode(form)) == scanner.scan([form])


def test_what_one_pass_cannot_part_is_left_to_parsing() -> None:
    assert fields_joined(b"a=b&c+d=e", b"x=1; y=2;z=3") == b"a b c d e x 1 y 2 z 3".replace(b" ", OTHER_SEAM).replace(
        b"c" + OTHER_SEAM + b"d", b"c d"
    )
    assert fields_joined(b"a=b=c") is None
    assert fields_joined(b"", b"a=1;  b=2") is None
    assert fields_joined(b"", b"a=1&b") is None


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["urldecodeuni", "jsdecode", "removewhitespace"], True),
        (["urldecodeuni", "removewhitespace", "urldecode", "removewhitespace"], True),
        (["removewhitespace", "urldecode"], False),
        (["removewhitespace"], False),
        (["urldecodeuni", "removewhitespace", "cmdline"], False),
        (["urldecodeuni"], False),
        ([], False),
    ],
)
def test_chains_that_only_delete_blanks_and_pluses_are_known(names: list[str], expected: bool) -> None:
    steps = [(name, TRANSFORMATIONS[name]) for name in names]
    assert squeezes(make_chain(steps, exact_case=False)) is expected


sentences = st.lists(
    st.sampled_from([b"1", b"or", b"and", b"select", b"union", b"x", b"sleep", b"from", b"having"])
    | st.sampled_from([b"0x1f", b"0b", b"1e5", b"2d", b"1.e"])
    | st.sampled_from([b" ", b"+", b",", b"=", b";", b"--", b"-", b".", b"/", b"@", b"&&", b"%", b"~", b":", b"?"]),
    max_size=9,
).map(b"".join)


@given(sentences)
@settings(max_examples=500, deadline=None)
def test_the_condition_of_sql_injection_holds_for_ordinary_texts(text: bytes) -> None:
    if is_sqli(text) is not None:
        assert any(re.search(expression, text) for expression in sqli.ordinary())


@pytest.mark.parametrize("text", [b"1.e1having 2d", b"0x1f=1.e1union", b"0x1f=1.e2dunion"])
def test_words_right_behind_a_number_with_a_point_are_seen(text: bytes) -> None:
    assert is_sqli(text) is not None
    assert any(re.search(expression, text) for expression in sqli.ordinary())


markup = st.lists(
    st.sampled_from([b"onclick", b"onload", b"style", b"xmlns", b"href", b"src", b"javascript:", b"data:", b"x", b"a"])
    | st.sampled_from([b" ", b"/", b"=", b"&#x6a;", b";", b"+", b"<a", b"<script", b">"]),
    max_size=7,
).map(b"".join)


@given(markup)
@settings(max_examples=300, deadline=None)
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
    assert scan_encoded(values, ENCODED) == expected


def scan_encoded(values: list[bytes], names: tuple[str, ...], each: bool = False) -> int | None:
    expressions = [Expression(rb"eval\(", BASE)]
    steps = tuple((name, TRANSFORMATIONS[name]) for name in names)
    builder, whole = OrdinaryBuilder(Patterns()), ScannerBuilder()
    builder.add(expressions, steps, 1, each)
    whole.add(expressions, steps, 1, each)
    return builder.build(None, whole.build(None)).scan(values)


@pytest.mark.parametrize("other", [b"1", b"%20", b"a%41"])
@pytest.mark.parametrize("value", [b"ZXZhbCgx+", b"ZXZhbCgx++", b"ZXZhbCgx%20", b"ZXZhbCg=+"])
def test_blanks_behind_base64_hide_nothing_whatever_stands_beside_it(value: bytes, other: bytes) -> None:
    assert scan_encoded([value, other], ("urldecodeuni", "base64decode"))


BEHIND = (
    ("urldecodeuni", "jsdecode", "removewhitespace"),
    ("urldecodeuni", "jsdecode", "replacecomments"),
    ("jsdecode", "urldecodeuni"),
    ("removewhitespace", "replacecomments"),
    (),
)
hidden = st.lists(
    st.sampled_from([b"eval(", b"ev", b"al", b"al(", b"(", b" ", b"\n", b"\\", b"\\q", b"\\x65", b"%65", b"%", b"%\\6", b"5"])
    | st.sampled_from([b"/*", b"*/", b"/", b"*", b"/\\*", b"+", b"\xa0", b"\x01", b"\xff\xfe", b"a1"]),
    max_size=9,
).map(b"".join)  # fmt: skip


@given(st.lists(hidden, min_size=1, max_size=3), st.sampled_from(BEHIND), st.booleans())
@settings(max_examples=500, deadline=None)
def test_what_steps_make_of_what_is_decoded_is_found(texts: list[bytes], behind: tuple[str, ...], each: bool) -> None:
    values = [b64encode(text) for text in texts]
    names, expected = ("urldecodeuni", "base64decode", *behind), False
    for value in values:
        forms = [value]
        for name in names:
            forms.append(TRANSFORMATIONS[name](forms[-1]))
        expected |= any(b"eval(" in form for form in (forms if each else forms[-1:]))
    found = scan_encoded(values, names, each)
    assert found is None or found or not expected
